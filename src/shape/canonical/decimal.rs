//! Exact decimal numbers: Decimal128 taken apart, doubles as their shortest digits, both as text and as decimal(38,10).

use crate::model::column::{DECIMAL_PRECISION, DECIMAL_SCALE};
use std::fmt::Write;

/// A finite number `±digits * 10^exponent`, without trailing zeros in `digits` (zero has exponent 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// Sign bit; zero can have it.
    pub negative: bool,
    /// At most 34 decimal digits.
    pub digits: u128,
    /// Power of ten.
    pub exponent: i32,
}

/// A number of any BSON kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimal {
    /// An ordinary number.
    Finite(Number),
    /// Infinity, negative or not.
    Infinite(bool),
    /// Not a number.
    NaN,
}

/// How a number stands in a decimal(38,10) column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Without loss.
    Exact(i128),
    /// Rounded half-even, or without the sign of a negative zero.
    Rounded(i128),
    /// Too large.
    Overflow,
}

const MAX_COEFFICIENT: u128 = 10_u128.pow(34) - 1;

impl Number {
    /// Normalizes `±digits * 10^exponent`.
    pub fn new(negative: bool, mut digits: u128, mut exponent: i32) -> Self {
        if digits == 0 {
            exponent = 0;
        } else {
            while digits.is_multiple_of(10) {
                digits /= 10;
                exponent += 1;
            }
        }
        Self { negative, digits, exponent }
    }

    /// The number in units of 10^-10.
    pub fn fit(&self) -> Fit {
        let limit = 10_u128.pow(u32::from(DECIMAL_PRECISION));
        let shift = self.exponent + i32::from(DECIMAL_SCALE);
        let signed = |magnitude: u128| if self.negative { -(magnitude as i128) } else { magnitude as i128 };
        if self.digits == 0 {
            return if self.negative { Fit::Rounded(0) } else { Fit::Exact(0) };
        }
        let power = 10_u128.checked_pow(shift.unsigned_abs());
        if shift >= 0 {
            return match power.and_then(|p| self.digits.checked_mul(p)) {
                Some(magnitude) if magnitude < limit => Fit::Exact(signed(magnitude)),
                _ => Fit::Overflow,
            };
        }
        let Some(power) = power else { return Fit::Rounded(0) };
        let (quotient, remainder) = (self.digits / power, self.digits % power);
        let up = match remainder.cmp(&(power / 2)) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => quotient % 2 == 1,
            std::cmp::Ordering::Greater => true,
        };
        Fit::Rounded(signed(quotient + u128::from(up)))
    }

    /// Plain notation while the first digit stands between 10^-7 and 10^39, else `d.ddde±N`.
    pub fn write(&self, out: &mut String) {
        if self.negative {
            out.push('-');
        }
        let start = out.len();
        let _ = write!(out, "{}", self.digits);
        let count = (out.len() - start) as i32;
        let first = self.exponent + count - 1;
        if !(-7..40).contains(&first) {
            if count > 1 {
                out.insert(start + 1, '.');
            }
            let _ = write!(out, "e{first:+}");
        } else if self.exponent >= 0 {
            out.extend(std::iter::repeat_n('0', self.exponent.unsigned_abs() as usize));
        } else if first >= 0 {
            out.insert(start + first.unsigned_abs() as usize + 1, '.');
        } else {
            let zeros = "0.00000000";
            out.insert_str(start, &zeros[..1 + first.unsigned_abs() as usize]);
        }
    }
}

impl Decimal {
    /// Takes apart the 16 bytes of a BSON Decimal128 (binary integer decimal encoding).
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let bits = u128::from_le_bytes(bytes);
        let negative = bits >> 127 == 1;
        let combination = (bits >> 122) & 0x1f;
        if combination == 0x1f {
            return Decimal::NaN;
        }
        if combination == 0x1e {
            return Decimal::Infinite(negative);
        }
        let (exponent, coefficient) = if combination >> 3 == 0b11 {
            // The large form holds only coefficients above 34 digits, which the standard reads as zero.
            (((bits >> 111) & 0x3fff) as i32, 0)
        } else {
            (((bits >> 113) & 0x3fff) as i32, bits & ((1 << 113) - 1))
        };
        let coefficient = if coefficient > MAX_COEFFICIENT { 0 } else { coefficient };
        Decimal::Finite(Number::new(negative, coefficient, exponent - 6176))
    }

    /// The shortest digits that read back as `x`.
    pub fn from_double(x: f64) -> Self {
        if x.is_nan() {
            return Decimal::NaN;
        }
        if x.is_infinite() {
            return Decimal::Infinite(x < 0.0);
        }
        let text = format!("{:e}", x.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i32);
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).fold(0, |n, b| n * 10 + u128::from(b - b'0'));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        Decimal::Finite(Number::new(x.is_sign_negative(), digits, exponent - fraction))
    }

    /// Reads what [`Decimal::write`] wrote back, as the bytes of a Decimal128; `None` beyond its 34 digits.
    pub fn to_bytes(self) -> Option<[u8; 16]> {
        let bits = match self {
            Decimal::NaN => 0x1f << 122,
            Decimal::Infinite(negative) => u128::from(negative) << 127 | 0x1e << 122,
            Decimal::Finite(number) => {
                let exponent = u128::try_from(number.exponent + 6176).ok().filter(|e| *e < 0x3000)?;
                if number.digits > MAX_COEFFICIENT {
                    return None;
                }
                u128::from(number.negative) << 127 | exponent << 113 | number.digits
            }
        };
        Some(bits.to_le_bytes())
    }

    /// Canonical text.
    pub fn write(&self, out: &mut String) {
        match self {
            Decimal::Finite(number) => number.write(out),
            Decimal::Infinite(false) => out.push_str("Infinity"),
            Decimal::Infinite(true) => out.push_str("-Infinity"),
            Decimal::NaN => out.push_str("NaN"),
        }
    }
}

/// A double in units of 10^-10 when a cheap exact way shows it; most amounts of money take it.
///
/// With at most 15 digits a decimal and the double next to it determine each other, so the quotient coming back
/// proves that these are the double's shortest digits.
pub fn scaled_double(x: f64) -> Option<i128> {
    let scaled = (x * 1e10).round();
    let exact = scaled.abs() < 1e15 && scaled / 1e10 == x && !(x == 0.0 && x.is_sign_negative());
    exact.then_some(scaled as i128)
}

/// The double nearest to `i`, when its shortest digits are `i`'s.
pub fn double_of(i: i64) -> Option<f64> {
    let x = i as f64;
    if i.unsigned_abs() <= 1 << 53 {
        return Some(x);
    }
    (Decimal::from_double(x) == Decimal::Finite(Number::new(i < 0, u128::from(i.unsigned_abs()), 0))).then_some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(x: f64) -> String {
        let mut out = String::new();
        Decimal::from_double(x).write(&mut out);
        out
    }

    #[test]
    fn doubles_are_written_with_their_shortest_digits() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (12.5, "12.5"),
            (0.001, "0.001"),
            (1e-7, "0.0000001"),
            (1.5e-8, "1.5e-8"),
            (1e39, "1000000000000000000000000000000000000000"),
            (1e40, "1e+40"),
            (-2.5e300, "-2.5e+300"),
            (123456.789, "123456.789"),
        ];
        for (x, expected) in cases {
            assert_eq!(text(x), expected);
        }
    }

    #[test]
    fn decimals_of_equal_value_have_equal_text() {
        for (decimal, double) in [("1.50", 1.5), ("100", 100.0), ("1E+2", 100.0), ("-0.0", -0.0), ("1E-9", 1e-9)] {
            let parsed: bson::Decimal128 = decimal.parse().unwrap();
            let mut out = String::new();
            Decimal::from_bytes(parsed.bytes()).write(&mut out);
            assert_eq!(out, text(double), "{decimal}");
        }
    }

    #[test]
    fn fits_round_half_even() {
        let fit = |t: &str| match Decimal::from_bytes(t.parse::<bson::Decimal128>().unwrap().bytes()) {
            Decimal::Finite(n) => n.fit(),
            _ => Fit::Overflow,
        };
        assert_eq!(fit("1.5"), Fit::Exact(15_000_000_000));
        assert_eq!(fit("0.00000000005"), Fit::Rounded(0));
        assert_eq!(fit("0.00000000015"), Fit::Rounded(2));
        assert_eq!(fit("-0.000000000151"), Fit::Rounded(-2));
        assert_eq!(fit("9999999999999999999999999999"), Fit::Exact(10_i128.pow(38) - 10_i128.pow(10)));
        assert_eq!(fit("10000000000000000000000000000"), Fit::Overflow);
        assert_eq!(fit("1E-6176"), Fit::Rounded(0));
    }

    #[test]
    fn the_cheap_way_agrees_with_the_digits() {
        for x in [0.1, 12.34, 1e-10, 99999.9999999999, 1.1e-11, 0.1 + 0.2, 1e20, -7.25, 4503599627.37] {
            if let (Some(cheap), Decimal::Finite(n)) = (scaled_double(x), Decimal::from_double(x)) {
                assert_eq!(Fit::Exact(cheap), n.fit(), "{x}");
            }
        }
    }
}
