"""A Postman collection (format 2.1), made from the OpenAPI document.

Postman imports the document as well, but then every request lacks its example, the address of the
server, and the access token of the sign-in.
"""

import json
from collections.abc import Iterator
from typing import Any

_FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_DESCRIPTION = (
    "Send `Sign up` or `Sign in` first. Its access token is kept in the variable `access` and sent "
    "with every request after it. An API key in `access` works, too."
)
# Of the media types of a body, the first one of these. Each has an example.
_MEDIA_TYPES = ("application/json", "text/csv", "multipart/form-data")
# A request without a token stays without a header: an empty one would be refused.
_SEND_TOKEN = (
    'const access = pm.collectionVariables.get("access");',
    'if (access) pm.request.headers.upsert({key: "Authorization", value: `Bearer ${access}`});',
)
_KEEP_TOKEN = (
    'const isJson = (pm.response.headers.get("Content-Type") || "").includes("json");',
    "const {access} = (isJson && pm.response.text() && pm.response.json()) || {};",
    'if (access) pm.collectionVariables.set("access", access);',
)


def postman_collection(document: dict[str, Any], base: str) -> dict[str, Any]:
    """The collection for a server at `base`, with a folder for each tag."""
    folders: dict[str, dict[str, Any]] = {
        tag["name"]: {"name": tag["name"], "description": tag["description"], "item": []}
        for tag in document["tags"]
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            item = {
                "name": operation["summary"],
                "request": _request(path, method, operation),
            }
            folders[operation["tags"][0]]["item"].append(item)
    return {
        "info": {
            "name": document["info"]["title"],
            "description": _DESCRIPTION,
            "schema": _FORMAT,
        },
        "item": list(folders.values()),
        "event": [_script("prerequest", _SEND_TOKEN), _script("test", _KEEP_TOKEN)],
        "variable": [{"key": "base", "value": base}, {"key": "access", "value": ""}],
    }


def _script(when: str, lines: tuple[str, ...]) -> dict[str, Any]:
    return {"listen": when, "script": {"type": "text/javascript", "exec": list(lines)}}


def _request(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    steps = [f":{step[1:-1]}" if step.startswith("{") else step for step in path[1:].split("/")]
    request: dict[str, Any] = {
        "method": method.upper(),
        "description": operation.get("description", ""),
        "header": list(_parameters(operation, "header")),
        "url": {
            "raw": "/".join(("{{base}}", *steps)),
            "host": ["{{base}}"],
            "path": steps,
            "query": list(_parameters(operation, "query")),
            "variable": list(_parameters(operation, "path")),
        },
    }
    content = operation.get("requestBody", {}).get("content", {})
    if content:
        media_type = next(each for each in _MEDIA_TYPES if each in content)
        [example, *_] = content[media_type]["examples"].values()
        request["body"] = _body(media_type, example["value"])
        if media_type != "multipart/form-data":  # Postman itself adds that with its boundary
            request["header"].append({"key": "Content-Type", "value": media_type})
    return request


def _parameters(operation: dict[str, Any], place: str) -> Iterator[dict[str, Any]]:
    """Those of the path, and the others switched off unless the operation requires them."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] != place:
            continue
        fact = {
            "key": parameter["name"],
            "value": _example_value(parameter["schema"]),
            "description": parameter.get("description", ""),
        }
        yield fact if parameter.get("required") else {**fact, "disabled": True}


def _example_value(schema: dict[str, Any]) -> str:
    candidates = [*schema.get("examples", ()), *schema.get("enum", ())]
    if candidates:
        return str(candidates[0])
    return "1" if schema.get("type") == "integer" else ""


def _body(media_type: str, example: Any) -> dict[str, Any]:
    if media_type == "application/json":
        text = json.dumps(example, indent=2, ensure_ascii=False)
        return {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}
    if media_type == "text/csv":
        return {"mode": "raw", "raw": example}
    return {"mode": "formdata", "formdata": [_field(*each) for each in example.items()]}


def _field(name: str, value: str) -> dict[str, str]:
    """A field of a form. Its file is chosen in Postman."""
    if name == "image":
        return {"key": name, "type": "file"}
    return {"key": name, "type": "text", "value": value}
