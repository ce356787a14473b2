//! Which server takes the next chunk.
//!
//! Pure: time is a parameter, nothing is sent. Servers share the chunks by weight in a smooth
//! round robin (`a a b a` rather than `a a a b`). A server that failed is away until its back-off
//! is over; then one chunk probes it, and it is away for the next back-off unless it takes that
//! chunk. While regular servers are away, standby servers make up for their weight.
//!
//! When nobody else is left, a server that is away is tried all the same: how often a destination
//! that is wholly away is tried is the scheduler's to decide, not ours.

use std::time::Duration;

use crate::config::plan::ForwardServer;

/// How long a server is away after its first failure; doubled with each further one.
const AWAY_MIN: Duration = Duration::from_secs(1);

/// The longest that a server is away without being tried.
const AWAY_MAX: Duration = Duration::from_secs(30);

/// The servers of one output, and whose turn it is.
#[derive(Debug)]
pub(super) struct Balancer {
    members: Vec<Member>,
}

/// One server, known by its place in the configuration.
#[derive(Debug)]
struct Member {
    weight: i64,
    is_standby: bool,
    /// What the smooth round robin owes it; the sum over all members is always 0.
    credit: i64,
    /// Failures and probes since it last took a chunk.
    failures: u32,
    /// Until when it is away; in the past if it is not.
    away_until: Duration,
}

impl Balancer {
    /// A balancer over `servers`, all of them up. A server of weight 0 is never picked.
    pub(super) fn new(servers: &[ForwardServer]) -> Self {
        let members = servers.iter().map(|server| Member {
            weight: i64::from(server.weight),
            is_standby: server.standby,
            credit: 0,
            failures: 0,
            away_until: Duration::ZERO,
        });
        Self {
            members: members.collect(),
        }
    }

    /// The server to try next; `tried` are those that the same attempt has tried before. One that
    /// `is_busy` (the chunk would have to wait) gets it only if all are. `None`: there is nobody
    /// left to try.
    pub(super) fn pick(
        &mut self,
        now: Duration,
        tried: &[usize],
        is_busy: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut candidates = self.serving(now);
        candidates.retain(|index| !tried.contains(index));
        if candidates.iter().any(|&index| !is_busy(index)) {
            candidates.retain(|&index| !is_busy(index));
        }
        match self.next_turn(&candidates) {
            Some(index) => {
                self.members[index].probe(now);
                Some(index)
            }
            None => self.soonest_back(tried),
        }
    }

    /// A connection to the server failed. Says whether the server was up until now.
    ///
    /// Failures while it is away already (of connections that were opened before) count as one.
    pub(super) fn failed(&mut self, index: usize, now: Duration) -> bool {
        let Some(member) = self.members.get_mut(index) else {
            return false;
        };
        let was_up = member.failures == 0;
        if !member.is_away(now) {
            member.go_away(now);
        }
        was_up
    }

    /// The server took a chunk. Says whether it was thought to be away until now.
    pub(super) fn succeeded(&mut self, index: usize) -> bool {
        let Some(member) = self.members.get_mut(index) else {
            return false;
        };
        member.away_until = Duration::ZERO;
        std::mem::take(&mut member.failures) > 0
    }

    /// Who shares the chunks now: regular servers that are up, and as many standby servers, in the
    /// order of the configuration, as make up for the weight of those that are away.
    fn serving(&self, now: Duration) -> Vec<usize> {
        let mut missing_weight = 0;
        let mut serving = Vec::new();
        for (index, member) in self.usable().filter(|(_, member)| !member.is_standby) {
            if member.is_away(now) {
                missing_weight += member.weight;
            } else {
                serving.push(index);
            }
        }
        let has_regular = self.usable().any(|(_, member)| !member.is_standby);
        for (index, member) in self.usable().filter(|(_, member)| member.is_standby) {
            let is_needed = missing_weight > 0 || !has_regular;
            if is_needed && !member.is_away(now) {
                missing_weight -= member.weight;
                serving.push(index);
            }
        }
        serving
    }

    /// Gives the turn to one of `candidates`.
    fn next_turn(&mut self, candidates: &[usize]) -> Option<usize> {
        let total: i64 = candidates
            .iter()
            .map(|&index| self.members[index].weight)
            .sum();
        for &index in candidates {
            self.members[index].credit += self.members[index].weight;
        }
        let owed = |&&index: &&usize| (self.members[index].credit, std::cmp::Reverse(index));
        let chosen = *candidates.iter().max_by_key(owed)?;
        self.members[chosen].credit -= total;
        Some(chosen)
    }

    /// The server whose time away is over first.
    fn soonest_back(&self, tried: &[usize]) -> Option<usize> {
        self.usable()
            .filter(|(index, _)| !tried.contains(index))
            .min_by_key(|(_, member)| (member.is_standby, member.away_until))
            .map(|(index, _)| index)
    }

    fn usable(&self) -> impl Iterator<Item = (usize, &Member)> {
        let members = self.members.iter().enumerate();
        members.filter(|(_, member)| member.weight > 0)
    }
}

impl Member {
    fn is_away(&self, now: Duration) -> bool {
        now < self.away_until
    }

    fn go_away(&mut self, now: Duration) {
        let doubled = AWAY_MIN.saturating_mul(1 << self.failures.min(16));
        self.away_until = now.saturating_add(doubled.min(AWAY_MAX));
        self.failures = self.failures.saturating_add(1);
    }

    /// A chunk is given to it. If it has failed before, that is the only one until it is taken.
    fn probe(&mut self, now: Duration) {
        if self.failures > 0 {
            self.go_away(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn after(seconds: f64) -> Duration {
        NOW + Duration::from_secs_f64(seconds)
    }

    fn server(weight: u32, standby: bool) -> ForwardServer {
        ForwardServer {
            host: "localhost".to_owned(),
            port: 24224,
            weight,
            standby,
        }
    }

    /// The names (`a`, `b`, ...) of the next `count` servers picked.
    fn turns(balancer: &mut Balancer, now: Duration, count: usize) -> String {
        let picks = (0..count).map(|_| balancer.pick(now, &[], |_| false));
        picks.map(|pick| name(pick.unwrap())).collect()
    }

    fn name(index: usize) -> char {
        char::from(b'a' + u8::try_from(index).unwrap())
    }

    #[test]
    fn servers_take_turns_by_weight_smoothly() {
        let regular = |weights: &[u32]| weights.iter().map(|&w| server(w, false)).collect();
        let table: [(Vec<ForwardServer>, &str); 5] = [
            (regular(&[60]), "aaaa"),
            (regular(&[60, 60]), "abababab"),
            (regular(&[5, 1, 1]), "aabacaaaabacaa"),
            (regular(&[1, 0, 1]), "acac"),
            (vec![server(1, false), server(1, true)], "aaaa"),
        ];
        for (servers, expected) in table {
            let mut balancer = Balancer::new(&servers);
            assert_eq!(turns(&mut balancer, NOW, expected.len()), expected);
        }
    }

    #[test]
    fn nobody_is_picked_when_no_server_has_a_weight() {
        let mut balancer = Balancer::new(&[server(0, false), server(0, true)]);
        assert_eq!(balancer.pick(NOW, &[], |_| false), None);
    }

    #[test]
    fn standby_servers_make_up_for_the_weight_that_is_away() {
        let servers = [
            server(2, false),
            server(1, false),
            server(1, true),
            server(1, true),
        ];
        let mut balancer = Balancer::new(&servers);
        balancer.failed(1, NOW);
        assert_eq!(turns(&mut balancer, NOW, 6), "acaaca");
        balancer.failed(0, NOW);
        assert_eq!(turns(&mut balancer, NOW, 4), "cdcd");
        balancer.succeeded(0);
        balancer.succeeded(1);
        let both_back = turns(&mut balancer, NOW, 6);
        assert!(!both_back.contains(['c', 'd']), "{both_back}");
    }

    #[test]
    fn standby_servers_alone_share_the_chunks() {
        let mut balancer = Balancer::new(&[server(1, true), server(1, true)]);
        assert_eq!(turns(&mut balancer, NOW, 4), "abab");
    }

    #[test]
    fn a_failed_server_is_skipped_until_its_back_off_is_over() {
        let mut balancer = Balancer::new(&[server(1, false), server(1, false)]);
        assert!(balancer.failed(0, NOW), "it was up");
        assert_eq!(turns(&mut balancer, after(0.999), 3), "bbb");
        assert!(turns(&mut balancer, after(1.0), 3).contains('a'));
    }

    #[test]
    fn one_chunk_probes_a_server_that_has_failed() {
        let mut balancer = Balancer::new(&[server(1, false), server(1, false)]);
        balancer.failed(0, NOW);
        assert_eq!(turns(&mut balancer, after(1.0), 5).matches('a').count(), 1);
        assert!(!turns(&mut balancer, after(2.9), 5).contains('a'));
        assert_eq!(turns(&mut balancer, after(3.0), 5).matches('a').count(), 1);
        balancer.succeeded(0);
        assert_eq!(turns(&mut balancer, after(3.0), 4).matches('a').count(), 2);
    }

    #[test]
    fn a_busy_server_is_passed_over_unless_all_are_busy() {
        let mut balancer = Balancer::new(&[server(9, false), server(1, false)]);
        assert_eq!(balancer.pick(NOW, &[], |index| index == 0), Some(1));
        assert_eq!(balancer.pick(NOW, &[], |_| true), Some(0));
        balancer.failed(1, NOW);
        let only_one_left = balancer.pick(NOW, &[], |index| index == 0);
        assert_eq!(only_one_left, Some(0), "rather busy than away");
    }

    #[test]
    fn the_back_off_doubles_up_to_its_longest() {
        let mut balancer = Balancer::new(&[server(1, false)]);
        let mut now = NOW;
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            balancer.failed(0, now);
            let away = balancer.members[0].away_until - now;
            assert_eq!(away, Duration::from_secs(seconds));
            now = balancer.members[0].away_until;
        }
        assert!(balancer.succeeded(0), "it was away");
        assert!(!balancer.succeeded(0), "it is back");
        balancer.failed(0, now);
        assert_eq!(balancer.members[0].away_until - now, AWAY_MIN);
    }

    #[test]
    fn failures_of_one_outage_count_once() {
        let mut balancer = Balancer::new(&[server(1, false)]);
        assert!(balancer.failed(0, NOW));
        assert!(!balancer.failed(0, after(0.5)));
        assert_eq!(balancer.members[0].away_until, after(1.0));
    }

    #[test]
    fn one_attempt_tries_each_server_once_and_those_away_last() {
        let servers = [
            server(1, false),
            server(1, false),
            server(1, false),
            server(0, false),
        ];
        let mut balancer = Balancer::new(&servers);
        balancer.failed(0, NOW);
        balancer.failed(2, after(0.1));
        let mut tried = Vec::new();
        while let Some(index) = balancer.pick(after(0.2), &tried, |_| false) {
            tried.push(index);
        }
        assert_eq!(tried, [1, 0, 2]);
    }
}
