//! What the queries about money ask, asked of the documents.

use super::Oracle;
use super::answer::{Answer, Cell, Sums};
use super::documents::{Hospital, MINUTE, Window, at, between, day, hundredths, moment, month, parts, text, whole};
use mongodb::bson::Document;

pub const ORACLES: &[Oracle] = &[
    ("financial/average_bill", average_bill),
    ("financial/claims", claims),
    ("financial/dues_by_payer", dues_by_payer),
    ("financial/overdue", overdue),
    ("financial/payments", payments),
    ("financial/refunds", refunds),
    ("financial/revenue", revenue),
    ("financial/revenue_by_category", revenue_by_category),
    ("financial/revenue_by_day", revenue_by_day),
    ("financial/tax", tax),
];

const ONE: Cell = Cell::Whole(1);

fn bills<'a>(hospital: &'a Hospital, window: &'a Window) -> impl Iterator<Item = &'a Document> {
    hospital.within("bills", "bill_date", window)
}

/// Bills that stand.
fn not_cancelled<'a>(hospital: &'a Hospital, window: &'a Window) -> impl Iterator<Item = &'a Document> {
    bills(hospital, window).filter(|bill| text(bill, "status") != "cancelled".into())
}

/// The day and the facility of a bill.
fn place(bill: &Document) -> [Cell; 2] {
    [day(bill, "bill_date"), text(bill, "facility.id")]
}

/// For each doctor: how many bills, how much they come to, and how much one of them is.
fn average_bill(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for bill in not_cancelled(hospital, window) {
        let [day, facility] = place(bill);
        sums.add(
            [day, facility, text(bill, "department.name"), text(bill, "doctor.name")],
            [ONE, hundredths(bill, "totals.net")],
        );
    }
    let rows = sums.all().map(|([day, facility, department, doctor], [bills, net])| {
        let (Cell::Whole(count), Cell::Hundredths(paise)) = (bills, net) else { panic!("{bills:?} {net:?}") };
        let average = Cell::Real(*paise as f64 / 100.0 / *count as f64);
        [day, facility, department, doctor, bills, net, &average].map(Cell::clone)
    });
    Answer::of(["date", "facility_id", "department", "doctor", "bills", "net_revenue", "average_bill"], rows)
}

/// For each payer: the claims, what came of them, and the whole hours each took that was decided.
fn claims(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for bill in bills(hospital, window).filter(|bill| at(bill, "payer.claim.no").is_some()) {
        let [day, facility] = place(bill);
        let (status, claimed) = (text(bill, "payer.claim.status"), hundredths(bill, "payer.claim.claimed"));
        let decided = at(bill, "payer.claim.decided_at").is_some();
        sums.add(
            [day, facility, text(bill, "payer.name")],
            [
                ONE,
                Cell::one_if(status == "pending".into()),
                Cell::one_if(status == "rejected".into()),
                claimed.clone(),
                if decided { claimed } else { Cell::Null },
                hundredths(bill, "payer.claim.approved"),
                Cell::one_if(decided),
                between(bill, "payer.claim.submitted_at", "payer.claim.decided_at", 60 * MINUTE),
            ],
        );
    }
    sums.answer([
        "date",
        "facility_id",
        "payer",
        "claims",
        "pending",
        "rejected",
        "claimed",
        "claimed_decided",
        "approved",
        "decided",
        "hours_to_decision",
    ])
}

/// For each payer: what was billed, what came in, what is owed.
fn dues_by_payer(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for bill in not_cancelled(hospital, window) {
        let [day, facility] = place(bill);
        sums.add(
            [day, facility, text(bill, "payer.type"), text(bill, "payer.name")],
            [ONE, hundredths(bill, "totals.net"), hundredths(bill, "paid"), hundredths(bill, "balance")],
        );
    }
    sums.answer(["date", "facility_id", "payer_type", "payer", "bills", "billed", "collected", "due"])
}

/// Bills on which something is owed, by how many whole days they were overdue when the last bill of all was written.
fn overdue(hospital: &Hospital, window: &Window) -> Answer {
    let now = hospital.all("bills").iter().filter_map(|bill| moment(bill, "created_at")).max();
    let now = now.expect("bills");
    let mut sums = Sums::new();
    for bill in bills(hospital, window) {
        let open = ["open", "part-paid"].iter().any(|status| text(bill, "status") == (*status).into());
        let owed = hundredths(bill, "balance");
        if !open || !matches!(owed, Cell::Hundredths(1..)) {
            continue;
        }
        let age = match moment(bill, "due_date").map(|due| (now - due) / (24 * 60 * MINUTE)) {
            Some(1..=15) => "1 up to 15 days",
            Some(16..=30) => "2 up to 30 days",
            Some(31..) => "3 more than 30 days",
            _ => "0 not due yet",
        };
        let [day, facility] = place(bill);
        sums.add([day, facility, age.into()], [ONE, owed]);
    }
    sums.answer(["date", "facility_id", "age", "bills", "due"])
}

/// The payments of each month and way of paying, however the counter spelled it.
fn payments(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for bill in bills(hospital, window) {
        for payment in parts(bill, "payments") {
            let [day, facility] = place(bill);
            let method = text(payment, "method").text().expect("a method").to_uppercase();
            let group = [day, month(payment, "at"), facility, Cell::Text(method)];
            sums.add(group, [ONE, hundredths(payment, "amount")]);
        }
    }
    sums.answer(["date", "month", "facility_id", "method", "payments", "received"])
}

/// The refunds of each month and reason.
fn refunds(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for bill in bills(hospital, window) {
        for refund in parts(bill, "refunds") {
            let [day, facility] = place(bill);
            let group = [day, month(refund, "at"), facility, text(refund, "reason")];
            sums.add(group, [ONE, hundredths(refund, "amount")]);
        }
    }
    sums.answer(["date", "month", "facility_id", "reason", "refunds", "refunded"])
}

/// What the bills of each department and doctor come to, day by day with its month.
fn revenue(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for bill in not_cancelled(hospital, window) {
        let [day, facility] = place(bill);
        let group = [day, month(bill, "bill_date"), facility, text(bill, "department.name"), text(bill, "doctor.name")];
        sums.add(group, [ONE, hundredths(bill, "totals.net")]);
    }
    sums.answer(["date", "month", "facility_id", "department", "doctor", "bills", "net_revenue"])
}

/// How many lines, of how many things, for how much, in each kind of service.
fn revenue_by_category(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for bill in not_cancelled(hospital, window) {
        for line in parts(bill, "line_items") {
            let [day, facility] = place(bill);
            let group = [day, facility, text(line, "category")];
            sums.add(group, [ONE, whole(line, "quantity"), hundredths(line, "amount")]);
        }
    }
    sums.answer(["date", "facility_id", "category", "line_items", "quantity", "amount"])
}

/// What was billed each day, and how much of it has come in.
fn revenue_by_day(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for bill in not_cancelled(hospital, window) {
        sums.add(place(bill), [ONE, hundredths(bill, "totals.net"), hundredths(bill, "paid")]);
    }
    sums.answer(["date", "facility_id", "bills", "billed", "collected"])
}

/// How much of each tax, by its rate, the lines of the bills contain.
fn tax(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for bill in not_cancelled(hospital, window) {
        for component in parts(bill, "line_items").into_iter().flat_map(|line| parts(line, "tax.components")) {
            let [day, facility] = place(bill);
            let month = month(bill, "bill_date");
            let group = [day, month, facility, text(component, "name"), hundredths(component, "rate")];
            sums.add(group, [hundredths(component, "amount")]);
        }
    }
    sums.answer(["date", "month", "facility_id", "component", "rate", "tax"])
}
