"""Validates YAML files against a JSON Schema: validate.py SCHEMA FILE..."""

import json
import sys

import jsonschema
import yaml

with open(sys.argv[1]) as file:
    schema = json.load(file)
validator_class = jsonschema.validators.validator_for(schema)
validator_class.check_schema(schema)
validator = validator_class(schema)
failed = False
for path in sys.argv[2:]:
    with open(path) as file:
        for error in validator.iter_errors(yaml.safe_load(file)):
            print(f"{path}: {error.json_path}: {error.message}")
            failed = True
sys.exit(1 if failed else 0)
