"""Questions of an event, and answers to them: pure functions on values, which write nothing.

A form is a list of questions (`questions`). `answers` reads what a person sends and returns what is
stored; `values` has the rules of each type. A stored answer is never checked again: a change of the
form invalidates none. `schema` describes the answers as a JSON Schema.
"""
