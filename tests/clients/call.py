"""Calls methods with the generated Python module. Arguments: its folder, the URL, the timeout in ms and a token, which
may be missing. Standard input: a list of [service, method, [argument, ...]], or "methods"."""

import inspect
import json
import sys
import typing

folder, url, timeout, *token = sys.argv[1:]
sys.dont_write_bytecode = True
sys.path.insert(0, folder)

import turntable_management as generated

management = generated.connect(url, *token, timeout=float(timeout) / 1000)
given = json.load(sys.stdin)


def parameters(method):
    # Each annotation has to be a type.
    typing.get_type_hints(method)
    return [name.rstrip("_") for name in inspect.signature(method).parameters]


if given == "methods":
    output = {}
    for service, of in vars(management).items():
        methods = inspect.getmembers(of, inspect.ismethod)
        output[service] = {name: parameters(method) for name, method in methods if name != "__init__"}
else:
    output = []
    for service, method, arguments in given:
        try:
            output.append({"result": getattr(getattr(management, service), method)(*arguments)})
        except generated.ManagementError as error:
            output.append({"error": {"code": error.code, "message": error.message, "status": error.status}})
json.dump(output, sys.stdout)
