"""Reads reports with Python's email package: the files of the command line, one JSON line for each."""

import email
import email.message
import email.policy
import json
import re
import sys
from email._header_value_parser import get_dot_atom
from email.errors import HeaderParseError


def one(block, name):
    # As written, unfolded: the default policy would decode what looks like an encoded-word, which has no meaning here
    # (RFC 2047 section 5).
    values = [value for key, value in block.raw_items() if key.lower() == name.lower()]
    assert len(values) <= 1, f"{name} occurs {len(values)} times"
    return re.sub(r"[\r\n]+(?=[ \t])", "", str(values[0])).strip() if values else None


def token_of(status):
    # The reader's own grammar: a dot-atom with a comment around it, if any.
    try:
        token, rest = get_dot_atom(status)
    except HeaderParseError:
        return status
    return status if rest else str(next(part for part in token if part.token_type == "dot-atom-text"))


def read(path):
    with open(path, "rb") as file:
        message = email.message_from_binary_file(file, policy=email.policy.default)
    parts = list(message.iter_parts())
    # Its payload is one message per group; the first is the per-message group. An encoded or a global one is not read so.
    status = next((part for part in parts if part.get_content_type() == "message/delivery-status"), None)
    first, *blocks = status.get_payload() if status is not None and status.is_multipart() else [email.message.EmailMessage()]
    returned = parts[2] if len(parts) > 2 else None
    if returned is not None and returned.is_multipart():
        original = returned.get_payload(0)
        subject, body = original["Subject"], original.get_payload(decode=True)
    else:
        content = returned.get_payload(decode=True) if returned is not None else b""
        subject, body = email.message_from_bytes(content, policy=email.policy.default)["Subject"], None
    return {
        "types": [part.get_content_type() for part in parts],
        "parameters": dict(message["Content-Type"].params),
        "auto": one(message, "Auto-Submitted"),
        "date": message["Date"].datetime.isoformat() if message["Date"] else None,
        "to": [address.addr_spec for address in message["To"].addresses],
        "text": parts[0].get_content(),
        "reporter": one(first, "Reporting-MTA"),
        "envelopeId": one(first, "Original-Envelope-Id"),
        "recipients": [
            {
                "recipient": one(block, "Final-Recipient"),
                "original": one(block, "Original-Recipient"),
                "action": one(block, "Action"),
                "status": token_of(one(block, "Status")),
                "diagnosis": one(block, "Diagnostic-Code"),
                "fields": [name for name in block.keys()],
            }
            for block in blocks
        ],
        "subject": subject,
        "body": body.decode("latin-1") if body is not None else None,
        "defects": [repr(defect) for part in message.walk() for defect in part.defects],
    }


for path in sys.argv[1:]:
    print(json.dumps(read(path)))
