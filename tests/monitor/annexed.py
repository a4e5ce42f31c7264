"""Thirty-nine changes at SWA: an area is annexed, texts looked through; a typing mistake, a right nobody asked for."""

from monitor.demo import Demo, incidents
from tests.support import configuration, swa

#: What a reviewer rejects of them: type, key, path.
WRONG = (
    ("role_privilege", "CASHIER/BX.refunds", ""),
    ("service_plan", "RES-VAR", "rates[up_to=4].rate"),
)
AREA = "A-HAP-C"
_TEXTS = (("work_order_master", "name", 11), ("faq", "answer", 8), ("notification_template", "text", 7),
          ("tip", "text", 3))  # fmt: skip


def thirty_nine() -> list[dict[str, object]]:
    """As the sandbox takes them: 2 + 2 + 2 + 4 + 29."""
    known = {each.name: each.changes for each in incidents()}
    changes = [*known["new-area-half-configured"], *known["misplaced-decimal-point"], *known["cashier-may-refund"]]
    for service in ("WATER", "WASTEWATER"):
        value = {"service": service, "area": AREA, "effective_from": "2026-12-01", "is_active": True}
        changes.append({"op": "add", "resource": "service_coverage", "key": f"{service}/{AREA}", "value": value})
    for plan in swa()["service_plan"]:
        changes.append({"op": "set", "resource": "service_plan", "key": plan["code"], "field": "areas",
                        "value": [*plan["areas"], AREA]})  # fmt: skip
    now = configuration(swa())
    for kind, field, count in _TEXTS:
        for each in now.objects(kind)[:count]:
            text = f"{each.values[field]} (2027)"
            changes.append({"op": "set", "resource": kind, "key": each.key, "field": field, "value": text})
    return changes


def annex(demo: Demo) -> None:
    """Baseline 1 is approved, then all of it happens and is read."""
    demo.sweep()
    demo.approve_first()
    body = {"by": "mei.tanaka@swa-water.example", "changes": thirty_nine()}
    demo.sandbox.client.post("/sandbox/changes", json=body).raise_for_status()
    demo.sweep()
