# SPDX-License-Identifier: Apache-2.0
# valid_reports.py SCHEMA FOLDER: each report of the folder (ground_truth --keep) against the schema that is shipped.
import json
import pathlib
import sys

try:
    from jsonschema import Draft202012Validator
except ImportError:
    print("SKIPPED: python3-jsonschema is not installed")
    sys.exit(77)

schema, folder = sys.argv[1:]
validator = Draft202012Validator(json.loads(pathlib.Path(schema).read_text()))
reports = sorted(pathlib.Path(folder).glob("*.json"))
wrong = 0
for path in reports:
    for error in validator.iter_errors(json.loads(path.read_text())):
        wrong += 1
        print(f"{path.name}: {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}")
print(f"{len(reports)} reports, {wrong} times not as the schema says")
sys.exit(0 if reports and wrong == 0 else 1)
