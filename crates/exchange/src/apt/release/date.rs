//! The dates of Release files: RFC 5322, in UTC.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Timestamp {
    /// Reads `Sat, 01 Nov 2025 09:54:36 UTC`; the day of the week may be missing, `UTC` may be `GMT`, `Z` or an offset.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.split_once(',').map_or(text, |(_, rest)| rest);
        let mut words = text.split_whitespace();
        let day = number(words.next()?, 1, 31)?;
        let name = words.next()?;
        let month = 1 + MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))? as i64;
        let year = number(words.next()?, 1970, 9999)?;
        let mut clock = words.next()?.split(':');
        let hour = number(clock.next()?, 0, 23)?;
        let minute = number(clock.next()?, 0, 59)?;
        let second = clock.next().map_or(Some(0), |second| number(second, 0, 60))?;
        let zone = words.next()?;
        if words.next().is_some() || clock.next().is_some() {
            return None;
        }
        let local = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(Self(local - offset(zone)?))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self(i64::try_from(seconds).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, second) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        let (year, month, day) = civil(day);
        write!(f, "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60)
    }
}

fn number(text: &str, low: i64, high: i64) -> Option<i64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|value| digits && (low..=high).contains(value))
}

fn offset(zone: &str) -> Option<i64> {
    if ["UTC", "GMT", "UT", "Z"].contains(&zone) {
        return Some(0);
    }
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_at_checked(2)?;
    Some(sign * (number(hours, 0, 23)? * 3_600 + number(minutes, 0, 59)? * 60))
}

/// Days since 1970-01-01 of a date in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date
/// algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(i64, &str)>) {
        let found = Timestamp::parse(text);
        assert_eq!(found.map(|t| (t.0, t.to_string())), expected.map(|(s, t)| (s, t.to_owned())), "{text}");
    }

    #[test]
    fn dates() {
        check("Sat, 01 Nov 2025 09:54:36 UTC", Some((1_761_990_876, "2025-11-01 09:54:36 UTC")));
        check("Thu, 1 Jan 1970 00:00:00 GMT", Some((0, "1970-01-01 00:00:00 UTC")));
        check("29 Feb 2000 23:59:60 +0100", Some((951_865_200, "2000-02-29 23:00:00 UTC")));
        check("Sat, 01 Nov 2025 09:54:36", None);
        check("Sat, 01 Foo 2025 09:54:36 UTC", None);
        check("Sat, +1 Nov 2025 09:54:36 UTC", None);
        check("", None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*", seconds: i64) {
            let _ = (Timestamp::parse(&text), Timestamp(seconds).to_string());
        }

        #[test]
        fn dates_and_days_agree(day in -700_000_i64..3_000_000) {
            let (y, m, d) = civil(day);
            proptest::prop_assert_eq!(days(y, m, d), day);
        }
    }
}
