"""Utility configurations of any size, the same at every run, with true changes and with noise."""

import copy
import random
from typing import Any

Raw = dict[str, list[dict[str, Any]]]


def utility(size: int, seed: int = 1) -> Raw:
    """About ``size`` objects of seven resource types; what is beyond the caps are premises."""
    rng = random.Random(seed)
    count = {
        "consumer_category": max(1, min(40, size // 20)),
        "consumer_subcategory": max(1, min(200, size // 12)),
        "service_plan": max(1, min(2000, size // 8)),
        "role_privilege": max(1, min(20_000, size // 5)),
        "notification_template": max(1, min(1000, size // 10)),
    }
    count["premise"] = size - sum(count.values())
    made: Raw = {name: [_object(name, n, count, rng) for n in range(number)] for name, number in count.items()}
    for name, objects in made.items():
        for n, each in enumerate(objects):
            each["id"] = f"{name}-{n:08d}"
            each["updated_at"] = f"2026-10-0{1 + n % 9}T10:00:00Z"
    return made


def _object(name: str, n: int, count: dict[str, int], rng: random.Random) -> dict[str, Any]:
    active = "Yes" if rng.random() < 0.97 else "No"
    match name:
        case "consumer_category":
            return {"name": f"Category {n:03d}", "services": [f"S{n % 3}"], "is_active": active}
        case "consumer_subcategory":
            category = f"Category {n % count['consumer_category']:03d}"
            return {"name": f"Subcategory {n:03d}", "category": category, "is_active": active}
        case "service_plan":
            rates, upper = [], 0
            for _ in range(rng.randrange(2, 7)):
                lower, upper = upper, upper + rng.randrange(5, 40)
                rates.append(
                    {"above": f"{lower}.0000", "up_to": f"{upper}.0000", "rate": f"{rng.randrange(1, 900) / 100:.4f}"}
                )
            return {
                "code": f"PLAN-{n:05d}", "name": f"Plan {n}", "category": f"Category {n // 2 % count['consumer_category']:03d}",
                "kind": ("fixed", "variable")[n % 2], "rate_type": "slab", "services": ["WATER"], "unit": "kgal",
                "areas": [f"A{k:02d}" for k in rng.sample(range(40), 3)], "rates": rates, "frequency": "MONTHLY",
                "base_charge": f"{rng.randrange(0, 90000) / 100:.4f}", "effective_from": "2026-01-01", "is_active": active,
            }  # fmt: skip
        case "role_privilege":
            return {"role": f"Role {n // 60:03d}", "submodule": f"BX.sub{n % 60}", "privilege": rng.choice(("view", "edit")),
                    "is_active": active}  # fmt: skip
        case "notification_template":
            text = "Dear {consumer}, your bill " + " ".join(f"word{rng.randrange(999)}" for _ in range(40))
            return {"code": f"T{n:04d}", "type": "billing", "channel": rng.choice(("email", "sms")), "text": text}
    return {
        "code": f"PRM-{n:07d}", "name": f"Premise {n}", "sub_area": f"Sub {n % 2000:04d}", "postal_code": "97204",
        "address": f"{n % 4000} Main Street", "latitude": f"45.{rng.randrange(10**4):04d}",
        "longitude": f"-122.{rng.randrange(10**4):04d}", "meter_reading_unit": f"MRU {n % 300:03d}", "is_active": active,
    }  # fmt: skip


def changed(raw: Raw, number: int, seed: int = 3) -> Raw:
    """The same with so many true changes: slab rates, fields, objects that went and came."""
    rng, new = random.Random(seed), copy.deepcopy(raw)
    plans, premises = new["service_plan"], new["premise"]
    picked = rng.sample(range(len(plans)), min(number // 2, len(plans)))
    for n, place in enumerate(picked):
        plans[place]["rates"][0]["rate"] = f"99.{n:04d}"
    left = number - len(picked)
    for n in range(left // 2):
        premises[n * 3]["meter_reading_unit"] = f"MRU X{n}"
    left -= left // 2
    for _ in range(left // 2):
        premises.pop()
    for n in range(left - left // 2):
        premises.append({**premises[0], "code": f"NEW-{n}", "id": f"new-{n}"})
    return new


def noisy(raw: Raw, seed: int = 2) -> Raw:
    """The same meaning in other bytes: order, Yes and true, needless zeros, stamps."""
    rng = random.Random(seed)
    new: Raw = {}
    for name, objects in raw.items():
        shuffled = [dict(rng.sample(list(each.items()), len(each))) for each in objects]
        rng.shuffle(shuffled)
        for each in shuffled:
            if "is_active" in each:
                each["is_active"] = each["is_active"] == "Yes"
            each["updated_at"] = "2026-11-11T11:11:11Z"
            if "areas" in each:
                each["areas"] = rng.sample(each["areas"], len(each["areas"]))
            if "latitude" in each:
                each["latitude"] = each["latitude"] + "00"
        new[name] = shuffled
    return new
