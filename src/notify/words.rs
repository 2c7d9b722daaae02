//! How numbers and lists are put for people: counts, amounts, durations, plurals, wrapped lines.

/// A count in full, digits in threes: `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count in at most five characters: `9,999`, `12.3k`, `1.23M`. Cut, never rounded up: `999k` stays below a million.
pub(super) fn compact(n: u64) -> String {
    if n < 10_000 {
        return count(n);
    }
    let (unit, letter) = [(1_000_u64, 'k'), (1_000_000, 'M'), (1_000_000_000, 'G'), (1_000_000_000_000, 'T')]
        .into_iter()
        .rfind(|(unit, _)| n >= *unit)
        .unwrap_or((1, ' '));
    let whole = n / unit;
    match whole {
        0..10 => format!("{whole}.{:02}{letter}", n % unit / (unit / 100)),
        10..100 => format!("{whole}.{}{letter}", n % unit / (unit / 10)),
        _ => format!("{whole}{letter}"),
    }
}

/// An amount in at most seven characters: `812 B`, `1.2 MiB`, `298 MiB`.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1_000 {
        return format!("{n} B");
    }
    // Two or three digits are shown: what a double cannot hold of the amount is far behind them.
    let mut amount = n as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if amount < 999.5 {
            break;
        }
        amount /= 1024.0;
        unit = larger;
    }
    if amount < 9.95 { format!("{amount:.1} {unit}") } else { format!("{amount:.0} {unit}") }
}

/// A duration in at most six characters, with as many digits as anybody needs: `0.4s`, `12s`, `3m05s`, `2h10m`, `4d03h`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{:.1}s", seconds.max(0.0));
    }
    // Durations of runs and lags are far below 2^63 seconds; a cast from a larger float saturates.
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole}s"),
        60..3_600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3_600..86_400 => format!("{}h{:02}m", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{}d{:02}h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

/// `1 row`, `1,234 rows`.
pub(crate) fn several(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", count(n)) }
}

/// The minute of an RFC 3339 time, `2026-11-21 04:03 UTC`; a text that is none stays as it is.
pub(super) fn minute(time: &str) -> String {
    chrono::DateTime::parse_from_rfc3339(time)
        .map_or_else(|_| time.to_owned(), |t| t.to_utc().format("%Y-%m-%d %H:%M UTC").to_string())
}

/// Breaks `text` at spaces into lines of at most `width` characters; the second and later ones are indented by
/// `indent` spaces. A word longer than a line keeps its own, and a line that begins with two blanks is a command and stays
/// as it is, so that paths and commands can be copied.
pub(super) fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (i, paragraph) in text.lines().enumerate() {
        if i > 0 {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
        }
        if paragraph.starts_with("  ") {
            out.push_str(paragraph);
            continue;
        }
        let mut column = if i > 0 { indent } else { 0 };
        let mut first = true;
        for word in paragraph.split(' ') {
            let length = word.chars().count();
            if !first && column + 1 + length > width {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            } else if !first {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += length;
            first = false;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_and_compact_ones_never_grow() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1_000, 1_234_567].map(count).each_ref().map(|s| &**s));
        for (n, expected) in [
            (9_999, "9,999"),
            (10_000, "10.0k"),
            (99_999, "99.9k"),
            (999_999, "999k"),
            (1_000_000, "1.00M"),
            (1_999_999_999, "1.99G"),
            (u64::MAX, "18446744T"),
        ] {
            assert_eq!(compact(n), expected);
        }
    }

    #[test]
    fn amounts_and_durations_read_well() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(812), "812 B");
        assert_eq!(bytes(1_258_291), "1.2 MiB");
        assert_eq!(bytes(312_000_000), "298 MiB");
        assert_eq!(bytes(1_048_575), "1.0 MiB");
        assert_eq!(bytes(u64::MAX), "16 EiB");
        assert_eq!(duration(0.04), "0.0s");
        assert_eq!(duration(9.96), "10s");
        assert_eq!(duration(185.2), "3m05s");
        assert_eq!(duration(7_800.0), "2h10m");
        assert_eq!(duration(360_000.0), "4d04h");
        assert_eq!(duration(-3.0), "0.0s");
    }

    #[test]
    fn long_lines_break_at_spaces_and_keep_long_words() {
        assert_eq!(wrap("one two three", 8, 2), "one two\n  three");
        assert_eq!(wrap("a s3://bucket/very/long b", 8, 2), "a\n  s3://bucket/very/long\n  b");
        assert_eq!(wrap("reason\nhint", 20, 4), "reason\n    hint");
        assert_eq!(wrap("run it:\n  lakefold run --env prod", 8, 2), "run it:\n    lakefold run --env prod");
    }

    #[test]
    fn times_are_cut_to_the_minute() {
        assert_eq!(minute("2026-11-21T09:33:59.123+05:30"), "2026-11-21 04:03 UTC");
        assert_eq!(minute("soon"), "soon");
    }
}
