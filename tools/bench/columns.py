"""The columns of the corpus, for the peers that are faster when they are told."""

import pyarrow as pa

import corpus

TEXT, INT, REAL, TIME, BOOL = pa.string(), pa.int32(), pa.float64(), pa.timestamp("ms"), pa.bool_()


def document(**fields):
    return pa.struct(list(fields.items()))


BILLS = {
    "bill_no": TEXT,
    "bill_date": TIME,
    "updated_at": TIME,
    "facility": document(id=TEXT, name=TEXT, address=document(city=TEXT, pin=TEXT, geo=document(lat=REAL, lon=REAL))),
    "patient": document(id=TEXT, name=TEXT, age=INT, contact=document(phone=TEXT, email=TEXT)),
    "visit": TEXT,
    "insured": BOOL,
    "status": TEXT,
    "line_items": pa.list_(
        document(
            line=INT,
            code=TEXT,
            description=TEXT,
            category=TEXT,
            quantity=INT,
            unit_price=REAL,
            tax=document(rate=REAL, amount=REAL),
            amount=REAL,
        )
    ),
    "payments": pa.list_(document(at=TIME, method=TEXT, amount=REAL, reference=TEXT)),
    "totals": document(gross=REAL, tax=REAL, net=REAL, currency=TEXT),
    "remarks": TEXT,
}

GROUP = document(
    count=INT,
    total=pa.int64(),
    mean=REAL,
    low=REAL,
    high=REAL,
    ok=BOOL,
    finding=TEXT,
    code=TEXT,
    by=TEXT,
    at=TIME,
    device=document(id=TEXT, serial=TEXT, offset=REAL, site=document(floor=INT, room=TEXT)),
)

WIDE = {
    "taken_at": TIME,
    "updated_at": TIME,
    "facility": document(id=TEXT, ward=TEXT),
    "first": INT,
    "amount": REAL,
    "series": pa.list_(INT),
    **{f"group_{group:02}": GROUP for group in range(corpus.GROUPS)},
}

# The kinds that most values have.
MIXED = {
    "updated_at": TIME,
    "amount": REAL,
    "visited": TIME,
    "ward": TEXT,
    "doctor": document(id=TEXT, name=TEXT),
    "tags": pa.list_(TEXT),
}

COLUMNS = {"bills": BILLS, "wide": WIDE, "mixed": MIXED}
