"""What dkimpy says of each signature of a message. The first file is JSON: TXT records by their names."""

import json
import sys

import dkim


def results(message, records):
    def look_up(name, timeout=5):
        return records[name.decode().rstrip(".").lower()].encode()

    count = sum(name.lower() == b"dkim-signature" for name, _ in dkim.rfc822_parse(message)[0])
    for index in range(count):
        verifier = dkim.DKIM(message)
        try:
            is_valid, reason = verifier.verify(index, dnsfunc=look_up), None
        except dkim.DKIMException as error:
            is_valid, reason = False, str(error)
        fields = {name.decode(): value.decode() for name, value in (verifier.signature_fields or {}).items()}
        yield {"valid": bool(is_valid), "reason": reason, "algorithm": fields.get("a"), "domain": fields.get("d"), "time": fields.get("t")}


with open(sys.argv[1], encoding="utf-8") as file:
    records = json.load(file)
for path in sys.argv[2:]:
    with open(path, "rb") as file:
        print(json.dumps(list(results(file.read(), records))))
