//! The lists a hospital keeps: towns, departments, diagnoses, tests, medicines, tariffs, payers and people's names.
//!
//! Prices are in paise (1/100 INR), so that totals are exact before they are written in any kind of number.

/// A department with its consultation fee.
pub struct Department {
    pub code: &'static str,
    pub name: &'static str,
    pub fee: i64,
    /// Diagnoses treated here: ICD-10 code and title.
    pub diagnoses: &'static [(&'static str, &'static str)],
}

/// Index of the department every emergency visit belongs to.
pub const EMERGENCY: usize = 9;

#[rustfmt::skip]
pub const DEPARTMENTS: &[Department] = &[
    Department { code: "MED", name: "General Medicine", fee: 60_000, diagnoses: &[("E11.9", "Type 2 diabetes mellitus without complications"), ("I10", "Essential (primary) hypertension"), ("A90", "Dengue fever"), ("J18.9", "Pneumonia, unspecified organism"), ("B50.9", "Plasmodium falciparum malaria, unspecified")] },
    Department { code: "CAR", name: "Cardiology", fee: 120_000, diagnoses: &[("I25.10", "Atherosclerotic heart disease"), ("I48.91", "Unspecified atrial fibrillation"), ("I50.9", "Heart failure, unspecified"), ("I21.9", "Acute myocardial infarction, unspecified")] },
    Department { code: "ORT", name: "Orthopaedics", fee: 90_000, diagnoses: &[("M17.9", "Osteoarthritis of knee, unspecified"), ("S52.5", "Fracture of lower end of radius"), ("M54.5", "Low back pain"), ("S72.0", "Fracture of neck of femur")] },
    Department { code: "PED", name: "Paediatrics", fee: 70_000, diagnoses: &[("J06.9", "Acute upper respiratory infection, unspecified"), ("A09", "Infectious gastroenteritis and colitis"), ("J45.909", "Unspecified asthma, uncomplicated")] },
    Department { code: "OBG", name: "Obstetrics & Gynaecology", fee: 85_000, diagnoses: &[("O80", "Full-term uncomplicated delivery"), ("O24.4", "Gestational diabetes mellitus"), ("N92.0", "Excessive and frequent menstruation"), ("Z34.9", "Supervision of normal pregnancy")] },
    Department { code: "ENT", name: "Ear, Nose & Throat", fee: 65_000, diagnoses: &[("H66.9", "Otitis media, unspecified"), ("J32.9", "Chronic sinusitis, unspecified"), ("J03.9", "Acute tonsillitis, unspecified")] },
    Department { code: "DER", name: "Dermatology", fee: 75_000, diagnoses: &[("L20.9", "Atopic dermatitis, unspecified"), ("L40.0", "Psoriasis vulgaris"), ("B35.4", "Tinea corporis")] },
    Department { code: "SUR", name: "General Surgery", fee: 95_000, diagnoses: &[("K35.80", "Unspecified acute appendicitis"), ("K40.90", "Unilateral inguinal hernia"), ("K80.20", "Calculus of gallbladder")] },
    Department { code: "NEP", name: "Nephrology", fee: 110_000, diagnoses: &[("N18.6", "End stage renal disease"), ("N20.0", "Calculus of kidney"), ("N39.0", "Urinary tract infection, site not specified")] },
    Department { code: "EMR", name: "Emergency", fee: 80_000, diagnoses: &[("S06.0", "Concussion"), ("T78.2", "Anaphylactic shock, unspecified"), ("R07.4", "Chest pain, unspecified"), ("T63.0", "Toxic effect of snake venom"), ("V29.9", "Motorcycle rider injured in traffic accident")] },
];

/// Where a facility of the group stands: city, locality, state, PIN code.
#[rustfmt::skip]
pub const PLACES: &[(&str, &str, &str, &str)] = &[
    ("Mumbai", "Andheri", "Maharashtra", "400053"), ("Pune", "Kothrud", "Maharashtra", "411038"),
    ("Bengaluru", "Jayanagar", "Karnataka", "560041"), ("Hyderabad", "Banjara Hills", "Telangana", "500034"),
    ("Chennai", "Adyar", "Tamil Nadu", "600020"), ("Kolkata", "Salt Lake", "West Bengal", "700091"),
    ("Ahmedabad", "Navrangpura", "Gujarat", "380009"), ("Jaipur", "Malviya Nagar", "Rajasthan", "302017"),
    ("Kochi", "Kaloor", "Kerala", "682017"), ("Lucknow", "Gomti Nagar", "Uttar Pradesh", "226010"),
    ("Nagpur", "Dharampeth", "Maharashtra", "440010"), ("Indore", "Vijay Nagar", "Madhya Pradesh", "452010"),
];

/// Wards with their daily rate and their share of a facility's beds.
#[rustfmt::skip]
pub const WARDS: &[(&str, i64, u32)] = &[
    ("General Ward", 180_000, 8), ("Semi-Private", 350_000, 4), ("Private", 650_000, 2), ("ICU", 1_400_000, 2),
];

/// A laboratory test: code, name, unit, the reference range in hundredths, price, usual minutes to a result.
pub struct Test {
    pub code: &'static str,
    pub name: &'static str,
    pub unit: &'static str,
    pub range: (i64, i64),
    pub price: i64,
    pub minutes: i64,
}

#[rustfmt::skip]
pub const TESTS: &[Test] = &[
    Test { code: "HB", name: "Haemoglobin", unit: "g/dL", range: (1200, 1700), price: 25_000, minutes: 90 },
    Test { code: "WBC", name: "White cell count", unit: "10^3/uL", range: (400, 1100), price: 25_000, minutes: 90 },
    Test { code: "FBS", name: "Fasting blood sugar", unit: "mg/dL", range: (7000, 10000), price: 18_000, minutes: 120 },
    Test { code: "HBA1C", name: "Glycated haemoglobin", unit: "%", range: (400, 570), price: 65_000, minutes: 480 },
    Test { code: "CREA", name: "Serum creatinine", unit: "mg/dL", range: (60, 130), price: 30_000, minutes: 180 },
    Test { code: "NA", name: "Sodium", unit: "mmol/L", range: (13500, 14500), price: 35_000, minutes: 150 },
    Test { code: "K", name: "Potassium", unit: "mmol/L", range: (350, 510), price: 35_000, minutes: 150 },
    Test { code: "TSH", name: "Thyroid stimulating hormone", unit: "mIU/L", range: (40, 400), price: 55_000, minutes: 720 },
    Test { code: "TROP", name: "Troponin I", unit: "ng/mL", range: (0, 4), price: 140_000, minutes: 60 },
    Test { code: "NS1", name: "Dengue NS1 antigen", unit: "index", range: (0, 90), price: 120_000, minutes: 240 },
    Test { code: "CRP", name: "C-reactive protein", unit: "mg/L", range: (0, 600), price: 60_000, minutes: 150 },
    Test { code: "CULT", name: "Blood culture", unit: "", range: (0, 0), price: 150_000, minutes: 4_000 },
];

/// Index of the test whose result is words, not a number.
pub const CULTURE: usize = 11;

/// A medicine: code, name, form, price of one unit in paise, units a patient usually gets.
#[rustfmt::skip]
pub const MEDICINES: &[(&str, &str, &str, i64, i64)] = &[
    ("M001", "Paracetamol 500 mg", "tablet", 120, 10), ("M002", "Amoxicillin 500 mg", "capsule", 850, 15),
    ("M003", "Azithromycin 500 mg", "tablet", 2_400, 5), ("M004", "Metformin 500 mg", "tablet", 210, 60),
    ("M005", "Glimepiride 2 mg", "tablet", 540, 30), ("M006", "Amlodipine 5 mg", "tablet", 260, 30),
    ("M007", "Telmisartan 40 mg", "tablet", 690, 30), ("M008", "Atorvastatin 20 mg", "tablet", 1_150, 30),
    ("M009", "Clopidogrel 75 mg", "tablet", 780, 30), ("M010", "Aspirin 75 mg", "tablet", 90, 30),
    ("M011", "Pantoprazole 40 mg", "tablet", 720, 14), ("M012", "Ondansetron 4 mg", "tablet", 480, 6),
    ("M013", "Ibuprofen 400 mg", "tablet", 160, 10), ("M014", "Diclofenac gel 30 g", "tube", 11_500, 1),
    ("M015", "Salbutamol inhaler", "inhaler", 14_800, 1), ("M016", "Budesonide inhaler", "inhaler", 28_900, 1),
    ("M017", "Cetirizine 10 mg", "tablet", 190, 10), ("M018", "Montelukast 10 mg", "tablet", 1_320, 10),
    ("M019", "ORS sachet", "sachet", 2_100, 6), ("M020", "Zinc 20 mg", "tablet", 310, 14),
    ("M021", "Iron and folic acid", "tablet", 130, 30), ("M022", "Calcium with D3", "tablet", 640, 30),
    ("M023", "Insulin glargine 3 ml", "pen", 71_000, 2), ("M024", "Human insulin 10 ml", "vial", 15_600, 2),
    ("M025", "Furosemide 40 mg", "tablet", 75, 15), ("M026", "Ceftriaxone 1 g", "vial", 5_900, 6),
    ("M027", "Normal saline 500 ml", "bottle", 4_200, 6), ("M028", "Ringer lactate 500 ml", "bottle", 5_100, 4),
    ("M029", "Enoxaparin 40 mg", "syringe", 38_500, 5), ("M030", "Tramadol 50 mg", "capsule", 620, 10),
    ("M031", "Levothyroxine 50 mcg", "tablet", 155, 30), ("M032", "Artesunate 60 mg", "vial", 24_500, 4),
    ("M033", "Doxycycline 100 mg", "capsule", 410, 14), ("M034", "Clotrimazole cream 15 g", "tube", 8_700, 1),
    ("M035", "Prednisolone 10 mg", "tablet", 180, 10), ("M036", "Vitamin D3 60000 IU", "capsule", 3_100, 4),
];

/// Who pays: kind, name, weight. The first pays at the counter, the others on a claim.
#[rustfmt::skip]
pub const PAYERS: &[(&str, &str, u32)] = &[
    ("self", "Self", 50), ("insurer", "Star Health Insurance", 12), ("insurer", "HDFC ERGO", 9),
    ("insurer", "ICICI Lombard", 8), ("insurer", "New India Assurance", 6), ("government", "Ayushman Bharat PM-JAY", 10),
    ("corporate", "Infosys Employee Care", 3), ("corporate", "Tata Steel Medical", 2),
];

/// Ways of paying at the counter.
pub const METHODS: &[&str] = &["UPI", "cash", "card", "netbanking", "upi"];

/// What patients are allergic to.
pub const ALLERGENS: &[&str] =
    &["Penicillin", "Sulfa drugs", "Peanuts", "Latex", "Dust mites", "Iodine contrast", "Shellfish"];

#[rustfmt::skip]
pub const FIRST_NAMES: &[(&str, &str)] = &[
    ("Aarav", "M"), ("Aditi", "F"), ("Ananya", "F"), ("Arjun", "M"), ("Asha", "F"), ("Deepak", "M"), ("Divya", "F"),
    ("Farhan", "M"), ("Fatima", "F"), ("Gurpreet", "M"), ("Harini", "F"), ("Imran", "M"), ("Isha", "F"), ("Karthik", "M"),
    ("Kavya", "F"), ("Lakshmi", "F"), ("Manoj", "M"), ("Meera", "F"), ("Mohammed", "M"), ("Neha", "F"), ("Nikhil", "M"),
    ("Pooja", "F"), ("Pranav", "M"), ("Priya", "F"), ("Rahul", "M"), ("Rajesh", "M"), ("Ritu", "F"), ("Rohan", "M"),
    ("Sana", "F"), ("Sanjay", "M"), ("Shreya", "F"), ("Simran", "F"), ("Sneha", "F"), ("Suresh", "M"), ("Thomas", "M"),
    ("Uma", "F"), ("Varun", "M"), ("Vidya", "F"), ("Vikram", "M"), ("Zoya", "F"),
];

#[rustfmt::skip]
pub const LAST_NAMES: &[&str] = &[
    "Agarwal", "Banerjee", "Bhat", "Chatterjee", "Das", "Desai", "Deshmukh", "D'Souza", "Fernandes", "Ghosh", "Gupta",
    "Iyer", "Jain", "Joshi", "Kapoor", "Khan", "Kulkarni", "Kumar", "Menon", "Mehta", "Mishra", "Mukherjee", "Nair",
    "Naidu", "Patel", "Patil", "Pillai", "Rao", "Reddy", "Saxena", "Shah", "Sharma", "Sheikh", "Singh", "Subramanian",
    "Thomas", "Trivedi", "Varghese", "Verma", "Yadav",
];

/// What patients write when they are asked.
pub const COMMENTS: &[&str] = &[
    "Doctor listened patiently.",
    "Waiting time was too long.",
    "Clean rooms, kind nurses.",
    "Billing took an hour.",
    "Good care.",
    "Parking is a problem.",
    "Very thankful to the ICU staff.",
    "Pharmacy counter slow.",
];
