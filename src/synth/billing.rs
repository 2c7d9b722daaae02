//! Bills: line items, tax, who pays, what was paid, and what had to be corrected later.
//!
//! Everything is counted in paise; the kind of number is chosen when the document is written.

use super::calendar::{DAY, HOUR, Instant, MINUTE, date, day_of, start_of};
use super::care::{Encounter, Kind};
use super::catalog::{DEPARTMENTS, MEDICINES, METHODS, PAYERS, TESTS, WARDS};
use super::dice::{Dice, Topic};
use super::entity::Entity;
use super::facilities::{self, BedPlace};
use super::hospital::Hospital;
use super::labs::tests_of;
use super::mess::{self, Money, Stamp};
use super::people::{Identity, doctor_id, doctor_name};
use super::pharmacy::Prescription;
use bson::{Bson, Document, doc};

/// A line before it is written.
#[derive(Debug, Clone)]
struct Line {
    code: String,
    description: &'static str,
    category: &'static str,
    quantity: i64,
    unit: i64,
    discount_percent: i64,
    /// GST in percent.
    tax_percent: i64,
}

impl Line {
    fn gross(&self) -> i64 {
        self.quantity * self.unit
    }

    fn discount(&self) -> i64 {
        self.gross() * self.discount_percent / 100
    }

    fn tax(&self) -> i64 {
        (self.gross() - self.discount()) * self.tax_percent / 100
    }

    fn amount(&self) -> i64 {
        self.gross() - self.discount() + self.tax()
    }
}

/// What a later look at the bill found wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A discount had been forgotten on the first line.
    Discount,
    /// The bill carried the wrong day.
    BillDate,
    /// The bill was booked on the wrong facility.
    Facility,
    /// Another payer takes it.
    Payer,
}

/// Money that came in.
#[derive(Debug, Clone, Copy)]
struct Payment {
    at: Instant,
    amount: i64,
    /// By the payer's transfer, not at the counter.
    transfer: bool,
}

/// A bill with its whole history.
pub struct Bill<'a> {
    hospital: &'a Hospital,
    encounter: Encounter,
    lines: Vec<Line>,
    payer: usize,
    created: Instant,
    claim_decided: Option<(Instant, i64)>,
    payments: Vec<Payment>,
    correction: Option<(Instant, Fault)>,
    cancelled: Option<Instant>,
    refund: Option<Instant>,
    writes: Vec<Instant>,
}

impl<'a> Bill<'a> {
    /// The bill of an encounter, written when it ends.
    pub fn new(hospital: &'a Hospital, encounter: Encounter) -> Self {
        let mut dice = encounter.dice(hospital.seed, Topic::Bill, 0);
        let lines = lines(hospital, &encounter, &mut dice);
        let net: i64 = lines.iter().map(Line::amount).sum();
        let created = encounter.ended + dice.between(5, 40) * MINUTE;
        let payer = dice.weighted(&PAYERS.iter().map(|(.., weight)| *weight).collect::<Vec<_>>());
        let mut bill = Self {
            hospital,
            encounter,
            lines,
            payer,
            created,
            claim_decided: None,
            payments: Vec::new(),
            correction: None,
            cancelled: None,
            refund: None,
            writes: vec![created],
        };
        if dice.chance(12) {
            bill.cancelled = Some(created + dice.between(HOUR, 3 * DAY));
        }
        bill.pay(net, &mut dice);
        if bill.cancelled.is_none() && dice.chance(110) {
            let fault =
                [Fault::Discount, Fault::BillDate, Fault::Facility, Fault::Payer][dice.weighted(&[22, 30, 33, 15])];
            bill.correction = Some((created + dice.between(4 * DAY, 35 * DAY), fault));
        }
        bill.settle(&mut dice);
        bill
    }

    fn pay(&mut self, net: i64, dice: &mut Dice) {
        let created = self.created;
        let mut pay = |at, amount, transfer| self.payments.push(Payment { at, amount, transfer });
        if self.payer == 0 {
            if dice.chance(880) {
                pay(created, net, false);
            } else {
                pay(created, net / 2, false);
                if dice.chance(850) {
                    pay(created + dice.between(2 * DAY, 20 * DAY), net - net / 2, false);
                }
            }
        } else {
            let decided = created + dice.between(3 * DAY, 25 * DAY);
            let approved = match dice.weighted(&[75, 18, 7]) {
                0 => net,
                1 => net * dice.between(70, 95) / 100,
                _ => 0,
            };
            self.claim_decided = Some((decided, approved));
            if approved > 0 {
                pay(decided + dice.between(DAY, 5 * DAY), approved, true);
            }
            if approved < net && dice.chance(700) {
                pay(decided + dice.between(5 * DAY + 1, 12 * DAY), net - approved, false);
            }
        }
        // Nobody pays a cancelled bill.
        if let Some(cancelled) = self.cancelled {
            self.payments.retain(|payment| payment.at < cancelled);
            self.claim_decided = None;
        }
    }

    /// Refunds what the bill's end leaves overpaid, then orders all writes.
    fn settle(&mut self, dice: &mut Dice) {
        let paid_by = |at| self.payments.iter().any(|payment| payment.at <= at);
        let due_back = match (self.cancelled, self.correction) {
            (Some(at), _) => paid_by(at).then_some(at),
            (_, Some((at, Fault::Discount))) => {
                let last = self.payments.last().map_or(at, |payment| payment.at.max(at));
                (self.balance(Instant::MAX) < 0).then_some(last)
            }
            _ => None,
        };
        self.refund = due_back.map(|at| at + dice.between(HOUR, 4 * DAY));
        let payments = self.payments.iter().map(|payment| payment.at);
        let rest =
            [self.cancelled, self.refund, self.claim_decided.map(|(at, _)| at), self.correction.map(|(at, _)| at)];
        self.writes.extend(payments.chain(rest.into_iter().flatten()));
        self.writes.sort_unstable();
        self.writes.dedup();
    }

    /// The lines as they stand: a corrected discount shows on the first.
    fn lines(&self, until: Instant) -> Vec<Line> {
        let mut lines = self.lines.clone();
        if let (Some(first), true) = (lines.first_mut(), self.corrected(Fault::Discount, until)) {
            first.discount_percent += 10;
        }
        lines
    }

    fn corrected(&self, wanted: Fault, until: Instant) -> bool {
        self.correction.is_some_and(|(at, fault)| fault == wanted && at < until)
    }

    fn net(&self, until: Instant) -> i64 {
        if self.cancelled.is_some_and(|at| at < until) { 0 } else { self.lines(until).iter().map(Line::amount).sum() }
    }

    fn paid(&self, until: Instant) -> i64 {
        self.payments.iter().filter(|payment| payment.at < until).map(|payment| payment.amount).sum()
    }

    /// What is still owed, without refunds; negative: overpaid.
    fn balance(&self, until: Instant) -> i64 {
        self.net(until) - self.paid(until)
    }

    fn refunded(&self, until: Instant) -> i64 {
        match self.refund {
            Some(at) if at < until => (-self.balance(at + 1)).max(0),
            _ => 0,
        }
    }

    fn payer_document(&self, until: Instant, money: Money, dice: &mut Dice) -> Document {
        let corrected = self.corrected(Fault::Payer, until);
        let (kind, name, _) = PAYERS[if corrected { self.payer % (PAYERS.len() - 1) + 1 } else { self.payer }];
        let mut payer = doc! { "type": kind, "name": name };
        if let Some((at, approved)) = self.claim_decided {
            let net: i64 = self.lines.iter().map(Line::amount).sum();
            let mut claim = doc! {
                "no": format!("C{:08}", dice.below(100_000_000)),
                "submitted_at": date(self.created),
                "claimed": money.of(net),
                "status": "pending",
            };
            if at < until {
                claim.insert(
                    "status",
                    match approved {
                        0 => "rejected",
                        full if full == net => "approved",
                        _ => "partly approved",
                    },
                );
                claim.insert("decided_at", date(at));
                claim.insert("approved", money.of(approved));
                let deductions: Vec<Document> = (approved < net)
                    .then(|| doc! { "reason": dice.pick(&["non-payable items", "room rent cap", "policy waiting period"]), "amount": money.of(net - approved) })
                    .into_iter()
                    .collect();
                claim.insert("deductions", deductions);
            }
            payer.insert("claim", claim);
        }
        payer
    }

    fn line_documents(&self, lines: &[Line], money: Money, dice: &mut Dice) -> Vec<Bson> {
        let line = |(number, line): (i32, &Line)| {
            let mut document = doc! {
                "no": number,
                "code": line.code.as_str(),
                "description": line.description,
                "category": line.category,
                "quantity": line.quantity as i32,
                "unit_price": money.of(line.unit),
                "amount": money.of(line.amount()),
            };
            if line.discount_percent > 0 {
                document.insert(
                    "discount",
                    doc! { "percent": line.discount_percent as i32, "amount": money.of(line.discount()) },
                );
            }
            if line.tax_percent > 0 {
                let central = line.tax() / 2;
                let component = |name: &str, amount| doc! { "name": name, "rate": line.tax_percent as f64 / 2.0, "amount": money.of(amount) };
                document.insert(
                    "tax",
                    doc! {
                        "rate": line.tax_percent as i32,
                        "amount": money.of(line.tax()),
                        "components": [component("CGST", central), component("SGST", line.tax() - central)],
                    },
                );
            } else if dice.chance(200) {
                document.insert("tax", mess::void(dice));
            }
            Bson::Document(document)
        };
        (1..).zip(lines).map(line).collect()
    }
}

impl Entity for Bill<'_> {
    fn writes(&self) -> &[Instant] {
        &self.writes
    }

    fn document(&self, until: Instant) -> Document {
        let (e, seed) = (&self.encounter, self.hospital.seed);
        let mut dice = e.dice(seed, Topic::Bill, 1);
        let money = Money::throw(&mut dice);
        let id = mess::object_id(self.created, &mut dice);
        let (accountant, empty_refunds) = (format!("ACC{:02}", dice.between(1, 12)), dice.chance(100));
        // Parts that grow over time have their own dice, so that a payment does not respell the rest of the bill.
        let part = |part| e.dice(seed, Topic::Bill, part);
        let patient = Identity::of(self.hospital, e.patient);
        let (lines, updated) = (self.lines(until), self.updated(until).unwrap_or(self.created));
        let (net, paid, refunded) = (self.net(until), self.paid(until), self.refunded(until));
        let due = net - paid + refunded;
        let sum = |of: fn(&Line) -> i64| money.of(lines.iter().map(of).sum());

        // Until a correction the bill may carry another day or facility than it should.
        let facility = match self.correction {
            Some((at, Fault::Facility)) if at >= until => (e.facility + 1) % self.hospital.facilities,
            _ => e.facility,
        };
        let bill_date = match self.correction {
            Some((at, Fault::BillDate)) if at >= until => (self.created - 2 * DAY).max(start_of(0)),
            _ => self.created,
        };
        let cancelled = self.cancelled.filter(|at| *at < until);
        let status = match (cancelled, due) {
            (Some(_), _) => "cancelled",
            (None, ..=0) if refunded > 0 => "refunded",
            (None, ..=0) => "paid",
            (None, _) if paid > 0 => "part-paid",
            (None, _) => "open",
        };
        let mut receipts = part(2);
        let payments: Vec<Document> = self
            .payments
            .iter()
            .filter(|payment| payment.at < until)
            .map(|payment| {
                let method = if payment.transfer { "NEFT" } else { receipts.pick(METHODS) };
                doc! { "at": date(payment.at), "amount": money.of(payment.amount), "method": method, "reference": format!("T{:09}", receipts.below(1_000_000_000)) }
            })
            .collect();
        let mut document = doc! {
            "_id": id,
            "bill_no": e.number("INV"),
            "visit_id": e.visit_id(seed),
            "kind": e.kind.name(),
            "bill_date": date(bill_date),
            "facility": facilities::embedded(facility, day_of(self.created), &mut dice),
            "department": { "code": DEPARTMENTS[e.department].code, "name": DEPARTMENTS[e.department].name },
            "doctor": { "id": doctor_id(e.doctor), "name": doctor_name(seed, e.doctor) },
            "patient": { "id": patient.id, "mrn": patient.mrn(), "name": patient.full_name() },
            "currency": "INR",
            "line_items": self.line_documents(&lines, money, &mut part(3)),
            "totals": { "gross": sum(Line::gross), "discount": sum(Line::discount), "tax": sum(Line::tax), "net": sum(Line::amount) },
            "payer": self.payer_document(until, money, &mut part(4)),
            "payments": payments,
            "paid": money.of(paid),
            "balance": money.of(due),
            "due_date": date(self.created + if self.payer == 0 { 15 } else { 45 } * DAY),
            "status": status,
        };
        if refunded > 0 {
            let reason = if cancelled.is_some() { "bill cancelled" } else { "discount corrected" };
            let at = self.refund.unwrap_or(updated);
            document.insert("refunds", vec![doc! { "at": date(at), "amount": money.of(refunded), "reason": reason }]);
        } else if empty_refunds {
            document.insert("refunds", mess::void(&mut dice));
        }
        if let Some(at) = cancelled {
            document.insert("cancelled", doc! { "at": date(at), "reason": "billed twice" });
        }
        if let Some((at, fault)) = self.correction.filter(|(at, _)| *at < until) {
            let what = match fault {
                Fault::Discount => "line_items.discount",
                Fault::BillDate => "bill_date",
                Fault::Facility => "facility",
                Fault::Payer => "payer",
            };
            document.insert("corrections", vec![doc! { "at": date(at), "field": what, "by": accountant }]);
        }
        if mess::since(mess::E_INVOICE_FROM, self.created) {
            document.insert("e_invoice", doc! { "irn": id.to_hex().repeat(2), "acknowledged_at": date(self.created) });
        }
        Stamp::Date.put(&mut document, self.created, updated);
        document
    }
}

/// What an encounter costs: consultation, room, tests, medicines.
fn lines(hospital: &Hospital, e: &Encounter, dice: &mut Dice) -> Vec<Line> {
    let department = &DEPARTMENTS[e.department];
    let discount = [0, 5, 10, 15][dice.weighted(&[76, 10, 9, 5])];
    let line = |code: String, description, category, quantity, unit, tax_percent| Line {
        code,
        description,
        category,
        quantity,
        unit,
        discount_percent: 0,
        tax_percent,
    };
    let consultations = e.stay.map_or(1, |stay| (stay.end - stay.start) / DAY + 1);
    let mut lines = vec![line(
        format!("CON-{}", department.code),
        "Consultation",
        "consultation",
        consultations,
        department.fee,
        0,
    )];
    lines[0].discount_percent = discount;
    if let Some(stay) = e.stay {
        let (ward, rate, _) = WARDS[BedPlace::of(hospital, stay.bed).ward];
        let tax = if rate > 500_000 && ward != "ICU" { 5 } else { 0 };
        lines.push(line("ROOM".into(), ward, "room", consultations, rate, tax));
        lines.push(line("NUR".into(), "Nursing care", "nursing", consultations, 45_000, 0));
        if dice.chance(350) {
            lines.push(line(
                format!("PRC-{}", department.code),
                "Procedure",
                "procedure",
                1,
                dice.between(80, 900) * 10_000,
                0,
            ));
        }
    } else if e.kind == Kind::Emergency || dice.chance(150) {
        lines.push(line("PRC-MIN".into(), "Minor procedure", "procedure", 1, dice.between(30, 250) * 1_000, 0));
    }
    for test in tests_of(hospital.seed, e) {
        let test = &TESTS[test];
        lines.push(line(format!("LAB-{}", test.code), test.name, "laboratory", 1, test.price, 0));
    }
    for item in Prescription::of(hospital, e).into_iter().flat_map(|prescription| prescription.items) {
        let (code, name, _, price, _) = MEDICINES[item.medicine];
        if item.dispensed > 0 {
            lines.push(line(format!("MED-{code}"), name, "pharmacy", item.dispensed, price, 12));
        }
    }
    lines
}
