"""Validates Kubernetes manifests against the schemas of Kubernetes, strictly, and prints them as one JSON array.

    manifests.py VERSION FILE...
"""

import json
import sys

import kubernetes_validate
import yaml

version, *paths = sys.argv[1:]
documents = []
for path in paths:
    with open(path, encoding="utf-8") as file:
        for document in yaml.safe_load_all(file):
            kubernetes_validate.validate(document, version, strict=True)
            documents.append(document)
json.dump(documents, sys.stdout)
