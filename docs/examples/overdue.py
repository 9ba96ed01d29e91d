"""在办超期的办件，逐页读取 · Every running case past a limit, page by page. Usage: overdue.py <API 地址> <密钥>; standard library only."""

import json
import sys
import urllib.parse
import urllib.request

BASE, KEY = sys.argv[1].rstrip("/"), sys.argv[2]


def pages(path, **query):
    """Rows of a listing; follows the cursor to its end."""
    while True:
        address = f"{BASE}{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(request) as answer:
            print("数据截至", answer.headers["Data-As-Of"], answer.headers["Data-Troubles"] or "", file=sys.stderr)
            page = json.load(answer)
        yield from page["items"]
        if not page["next"]:
            return
        query["cursor"] = page["next"]


for light in ("双红", "红"):
    for case in pages("/v1/cases", light=light, limit=500):
        print(case["case_no"], case["item_name"], case["department_name"], case["due_promised"], case["due_statutory"])
