"""Document types that no contract has: an external entity, a billion laughs."""

LAUGHS = (
    "<!DOCTYPE lolz [<!ENTITY a 'ha'>"
    + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9))
    + "]>"
)
EXTERNAL = "<!DOCTYPE x [<!ENTITY j SYSTEM 'file:///etc/hostname'>]>"
REMOTE = "<!DOCTYPE x SYSTEM 'http://127.0.0.1:9/x.dtd'>"
ALL = {"laughs": LAUGHS, "external": EXTERNAL, "remote": REMOTE}
