"""The same requests on a small and on a large database: what grows, and by which plans.

__main__.py   the databases, the rounds and the tables
filling.py    fills a database: generated events, then copies of them
requests.py   sends each request in process, and reads the plans of its statements
"""
