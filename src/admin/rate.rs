//! How often somebody may ask.
//!
//! Each address has a bucket that fills with time and that requests take from. There are buckets for
//! so many addresses; when they are all in use, strangers share one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// Most addresses with a bucket of their own.
const ADDRESSES_MAX: usize = 1024;

/// A full bucket has as much as comes in this time.
const BURST_S: f64 = 3.0;

/// A wrong token counts as so many requests more.
const GUESS_COST: f64 = 9.0;

/// Who has no bucket of their own has this address's.
const SHARED: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// The buckets.
pub(super) struct Rates {
    per_second: f64,
    clock: Clock,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

struct Bucket {
    left: f64,
    at: Duration,
}

impl Rates {
    pub(super) fn new(per_second: u32, clock: Clock) -> Self {
        Self {
            per_second: f64::from(per_second),
            clock,
            buckets: Mutex::default(),
        }
    }

    /// Takes one request of `address`.
    ///
    /// # Errors
    /// How long to wait for the next.
    pub(super) fn take(&self, address: IpAddr) -> Result<(), Duration> {
        self.with_bucket(address, |bucket| {
            if bucket.left < 1.0 {
                return Err(Duration::from_secs_f64(
                    (1.0 - bucket.left) / self.per_second,
                ));
            }
            bucket.left -= 1.0;
            Ok(())
        })
    }

    /// Takes more for a guess at a secret.
    pub(super) fn charge_guess(&self, address: IpAddr) {
        self.with_bucket(address, |bucket| bucket.left -= GUESS_COST);
    }

    fn with_bucket<T>(&self, address: IpAddr, change: impl FnOnce(&mut Bucket) -> T) -> T {
        let now = self.clock.now().monotonic;
        let full = self.per_second * BURST_S;
        let refill = |bucket: &mut Bucket| {
            let passed_s = now.saturating_sub(bucket.at).as_secs_f64();
            bucket.left = (bucket.left + passed_s * self.per_second).min(full);
            bucket.at = now;
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut address = network(address);
        if !buckets.contains_key(&address) && buckets.len() >= ADDRESSES_MAX {
            buckets.retain(|_, bucket| {
                refill(bucket);
                bucket.left < full
            });
            if buckets.len() >= ADDRESSES_MAX {
                address = SHARED;
            }
        }
        let bucket = buckets.entry(address).or_insert(Bucket {
            left: full,
            at: now,
        });
        refill(bucket);
        change(bucket)
    }
}

/// What has a bucket: an IPv4 address, or the /64 network that a site has of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + last).into())
    }

    fn taken(rates: &Rates, address: IpAddr) -> usize {
        (0..).take_while(|_| rates.take(address).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_burst_as_many_as_time_brings() {
        let rates = Rates::new(10, Clock::start());
        assert_eq!(taken(&rates, v4(1)), 30);
        assert_eq!(rates.take(v4(1)), Err(Duration::from_millis(100)));
        assert_eq!(rates.take(v4(2)), Ok(()), "others are not held back");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(taken(&rates, v4(1)), 5);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(taken(&rates, v4(1)), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_are_one_a_second() {
        let rates = Rates::new(10, Clock::start());
        let mut guesses = 0;
        for _ in 0..60 {
            while rates.take(v4(1)).is_ok() {
                rates.charge_guess(v4(1));
                guesses += 1;
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!((30..=63).contains(&guesses), "{guesses}");
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_have_no_end_but_buckets_have() {
        let rates = Rates::new(10, Clock::start());
        let addresses_max = u32::try_from(ADDRESSES_MAX).unwrap();
        let all: usize = (0..10 * addresses_max)
            .filter(|last| rates.take(v4(*last)).is_ok())
            .count();
        assert_eq!(all, ADDRESSES_MAX + 30, "strangers share one bucket");
        assert_eq!(rates.buckets.lock().unwrap().len(), ADDRESSES_MAX + 1);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(rates.take(v4(u32::MAX >> 8)), Ok(()));
        assert_eq!(
            rates.buckets.lock().unwrap().len(),
            1,
            "idle ones are given away"
        );
    }

    #[test]
    fn a_site_has_one_bucket() {
        let same = |a: &str, b: &str| network(a.parse().unwrap()) == network(b.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
    }
}
