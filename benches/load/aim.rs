//! Figures to reach, and whether they are.

/// What a figure may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Bound {
    /// Whether `value` keeps to it.
    pub(crate) fn is_kept(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    /// `≥ 0.8: reached`, or `≥ 0.8: **missed**`.
    pub(crate) fn judge(self, value: f64) -> String {
        let verdict = if self.is_kept(value) {
            "reached"
        } else {
            "**missed**"
        };
        match self {
            Self::AtLeast(least) => format!("≥ {}: {verdict}", shown(least)),
            Self::AtMost(most) => format!("≤ {}: {verdict}", shown(most)),
        }
    }
}

/// A number with about three digits that count, thousands apart.
pub(crate) fn shown(value: f64) -> String {
    match value.abs() {
        large if large >= 10_000.0 => apart(value),
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => trimmed(format!("{value:.1}")),
        middle if middle >= 1.0 => trimmed(format!("{value:.2}")),
        _ => trimmed(format!("{value:.3}")),
    }
}

fn apart(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn trimmed(text: String) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
