"""Lets schemathesis send JSON lines, which it takes from the document as text."""

import schemathesis


@schemathesis.serializer("application/jsonl", "application/x-ndjson")
def json_lines(_context, value):
    return value if isinstance(value, bytes) else str(value).encode()
