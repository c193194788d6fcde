"""Reads reports with flufl.bounce, which Mailman uses: the files of the command line, one JSON line for each."""

import email
import json
import sys

from flufl.bounce import all_failures, scan_message

for path in sys.argv[1:]:
    with open(path, "rb") as file:
        message = email.message_from_binary_file(file)
    temporary, permanent = all_failures(message)
    assert scan_message(message) == permanent
    print(json.dumps({"temporary": sorted(a.decode() for a in temporary), "permanent": sorted(a.decode() for a in permanent)}))
