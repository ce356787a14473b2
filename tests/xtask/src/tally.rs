//! What the tests printed: rows, seeds, what was skipped, how many passed.

#[derive(Debug, Default)]
pub(crate) struct Tally {
    rows: Vec<String>,
    seeds: Vec<String>,
    skipped: Vec<String>,
    passed: u64,
    failed: u64,
    ignored: u64,
    failed_suites: u64,
}

impl Tally {
    /// Reads a line that a suite printed.
    pub(crate) fn read(&mut self, line: &str) {
        // With one thread the test's name stands in front of the first thing that it prints.
        let said = match line
            .strip_prefix("test ")
            .and_then(|rest| rest.split_once(" ... "))
        {
            Some((_, said)) if !line.starts_with("test result") => said,
            _ => line,
        };
        if said.starts_with("| ") {
            self.rows.push(said.to_owned());
        } else if said.contains(": FOREBAY_TEST_SEED=") {
            self.seeds.push(said.to_owned());
        } else if said.starts_with("SKIPPED") {
            self.skipped.push(said.to_owned());
        } else if let Some(counts) = said.strip_prefix("test result: ") {
            self.count(counts);
        }
    }

    fn count(&mut self, counts: &str) {
        let number_before = |word: &str| {
            let (before, _) = counts.split_once(word)?;
            before
                .rsplit([' ', '.'])
                .find(|part| !part.is_empty())?
                .parse()
                .ok()
        };
        self.passed += number_before(" passed").unwrap_or(0);
        self.failed += number_before(" failed").unwrap_or(0);
        self.ignored += number_before(" ignored").unwrap_or(0);
    }

    /// A suite is over.
    pub(crate) fn ended(&mut self, is_success: bool) {
        self.failed_suites += u64::from(!is_success);
    }

    /// Whether every suite ran and nothing in it failed, and something was tried at all.
    pub(crate) fn has_passed(&self) -> bool {
        self.failed_suites == 0 && self.failed == 0 && self.passed > 0
    }

    /// In the order of their names, so that two runs can be compared.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &String> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort();
        rows.into_iter()
    }

    pub(crate) fn seeds(&self) -> impl Iterator<Item = &String> {
        self.seeds.iter()
    }

    pub(crate) fn totals(&self) -> String {
        let Tally {
            passed,
            failed,
            ignored,
            failed_suites,
            ..
        } = self;
        format!(
            "{passed} passed, {failed} failed, {ignored} ignored, {failed_suites} suites failed"
        )
    }

    /// The last line of all.
    pub(crate) fn skipped(&self) -> String {
        match &self.skipped[..] {
            [] => "nothing was skipped".to_owned(),
            skipped => format!("{} skipped: {}", skipped.len(), skipped.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn rows_seeds_and_results_are_found_among_everything_else() {
        let mut tally = tally(&[
            "running 3 tests",
            "| power cut | ext4 | 12 | 12 | - | 500 | 0 | 7 |",
            "test crash::kill ... | kill | ext4 | 50 | 50 | - | 600 | 0 | 8 |",
            "kill: FOREBAY_TEST_SEED=17",
            "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 4 filtered out; finished in 1.05s",
            "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ]);
        tally.ended(true);
        let rows: Vec<_> = tally.rows().collect();
        assert_eq!(rows.len(), 2);
        assert!(rows[0].starts_with("| kill "), "{rows:?}");
        assert_eq!(
            tally.seeds().collect::<Vec<_>>(),
            ["kill: FOREBAY_TEST_SEED=17"]
        );
        assert!(tally.has_passed());
        assert_eq!(
            tally.totals(),
            "17 passed, 0 failed, 3 ignored, 0 suites failed"
        );
        assert_eq!(tally.skipped(), "nothing was skipped");
    }

    #[test]
    fn one_failure_and_a_suite_that_did_not_compile_fail_the_run() {
        let failed =
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        assert!(!tally(&[failed]).has_passed());
        let passed = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        let mut tally = tally(&[passed]);
        assert!(tally.has_passed());
        tally.ended(false);
        assert!(!tally.has_passed());
        assert!(!Tally::default().has_passed(), "nothing was tried");
    }

    #[test]
    fn what_was_skipped_is_said() {
        let tally = tally(&["SKIPPED by FOREBAY_SKIP_KERNEL_TESTS: power cut on ext4"]);
        assert!(
            tally.skipped().starts_with("1 skipped: SKIPPED by"),
            "{}",
            tally.skipped()
        );
    }
}
