"""The contract in the eyes of a validator that we did not write: OpenAPI 3.1, and every example of its schema."""

import json
import urllib.request

import jsonschema
from openapi_spec_validator import OpenAPIV31SpecValidator
from service import Service

service = Service()
with urllib.request.urlopen(f"{service.url}/openapi.json") as answer:
    contract = json.load(answer)

errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in OpenAPIV31SpecValidator(contract).iter_errors()]
assert not errors, "\n".join(errors)


def resolved(thing):
    while "$ref" in thing:
        at = contract
        for word in thing["$ref"].removeprefix("#/").split("/"):
            at = at[word]
        thing = at
    return thing


def examples(media):
    if "example" in media:
        yield media["example"]
    for example in media.get("examples", {}).values():
        yield resolved(example)["value"]


checked = 0
for path, item in contract["paths"].items():
    for method, operation in item.items():
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [response.get("content", {}) for response in operation["responses"].values()]
        for content in contents:
            for media in content.values():
                schema = {**media.get("schema", {}), "components": contract["components"]}
                checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
                for example in examples(media):
                    wrong = [error.message for error in checker.iter_errors(example)]
                    assert not wrong, f"{method} {path}: {wrong}"
                    checked += 1
assert checked > 500, checked
print(f"valid: {len(contract['paths'])} paths, {checked} examples")
