//! Making one thing after the other ahead of who takes them, in their order.
//!
//! Whoever takes also makes: no thread waits while there is something to be made, unless it would be
//! too far ahead. So one that is slow to take does not hold the others up, nor do they fill the memory.

use std::collections::BTreeMap;
use std::thread as os_thread;

use crate::sync::{Condvar, Mutex, lock, wait};

/// Things that are made and not taken, at most; those that are being made included.
const AHEAD_MAX: usize = 16;

/// Has `take` take what `make` makes of each number below `count`, in their order and in this thread;
/// so many helpers make with it.
pub(super) fn in_order<T: Send>(
    count: usize,
    helper_count: usize,
    make: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(T),
) {
    if helper_count == 0 {
        (0..count).for_each(|number| take(make(number)));
        return;
    }
    let relay = Relay::new(count);
    os_thread::scope(|scope| {
        let _end = End(&relay);
        for _ in 0..helper_count {
            let builder = os_thread::Builder::new().name("forebay-scan".to_owned());
            // Where no thread is to be had, the others do its part.
            let _ = builder.spawn_scoped(scope, || relay.help(&make));
        }
        (0..count).for_each(|number| take(relay.get(number, &make)));
    });
}

struct Relay<T> {
    count: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// All below it have been made, or somebody is at it.
    next: usize,
    /// All below it have been taken.
    taken: usize,
    made: BTreeMap<usize, T>,
    /// Somebody has panicked, and left something unmade.
    is_broken: bool,
}

impl<T> Relay<T> {
    fn new(count: usize) -> Relay<T> {
        Relay {
            count,
            state: Mutex::new(State {
                next: 0,
                taken: 0,
                made: BTreeMap::new(),
                is_broken: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Makes until there is nothing left to be made.
    fn help(&self, make: &impl Fn(usize) -> T) {
        let _broken = Broken(self);
        let mut state = lock(&self.state);
        while state.next < self.count {
            let Some(number) = state.claim(self.count) else {
                state = wait(&self.changed, state);
                continue;
            };
            drop(state);
            let made = make(number);
            state = lock(&self.state);
            state.made.insert(number, made);
            self.changed.notify_all();
        }
    }

    /// The next one to be taken.
    fn get(&self, number: usize, make: &impl Fn(usize) -> T) -> T {
        let mut state = lock(&self.state);
        loop {
            if let Some(made) = state.made.remove(&number) {
                state.taken = number + 1;
                self.changed.notify_all();
                return made;
            }
            if let Some(other) = state.claim(self.count) {
                drop(state);
                let made = make(other);
                state = lock(&self.state);
                state.made.insert(other, made);
            } else if state.is_broken {
                drop(state);
                // As whoever was at it, most likely.
                return make(number);
            } else {
                state = wait(&self.changed, state);
            }
        }
    }
}

impl<T> State<T> {
    /// What is to be made next; `None` if that is nothing, or too far ahead.
    fn claim(&mut self, count: usize) -> Option<usize> {
        let number = self.next;
        (number < count.min(self.taken + AHEAD_MAX)).then(|| {
            self.next += 1;
            number
        })
    }
}

/// Lets nobody wait for a helper that has panicked.
struct Broken<'r, T>(&'r Relay<T>);

impl<T> Drop for Broken<'_, T> {
    fn drop(&mut self) {
        if os_thread::panicking() {
            lock(&self.0.state).is_broken = true;
            self.0.changed.notify_all();
        }
    }
}

/// Lets no helper wait for who takes nothing any more.
struct End<'r, T>(&'r Relay<T>);

impl<T> Drop for End<'_, T> {
    fn drop(&mut self) {
        lock(&self.0.state).next = self.0.count;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn all_are_made_once_and_taken_in_their_order() {
        for helper_count in [0, 1, 3] {
            let made = AtomicUsize::new(0);
            let make = |number| {
                made.fetch_add(1, Ordering::Relaxed);
                if number % 7 == 0 {
                    os_thread::yield_now();
                }
                number
            };
            let mut taken = Vec::new();
            in_order(1_000, helper_count, make, |number| taken.push(number));
            assert!(taken.into_iter().eq(0..1_000));
            assert_eq!(made.into_inner(), 1_000);
        }
    }

    #[test]
    fn nothing_is_made_too_far_ahead() {
        let (made, mut taken) = (AtomicUsize::new(0), 0);
        let make = |number| {
            made.fetch_max(number + 1, Ordering::Relaxed);
        };
        in_order(500, 3, make, |()| {
            taken += 1;
            // The others are given time to go too far.
            while made.load(Ordering::Relaxed) < 500.min(taken + AHEAD_MAX) {
                os_thread::yield_now();
            }
            (0..10).for_each(|_| os_thread::yield_now());
            assert!(made.load(Ordering::Relaxed) <= taken + AHEAD_MAX);
        });
    }

    #[test]
    fn a_panic_of_whoever_it_is_ends_all() {
        let make = |number| assert!(number < 100);
        let made = catch_unwind(|| in_order(1_000, 2, make, |()| ()));
        assert!(made.is_err());
        let mut taken = 0;
        let taken = catch_unwind(AssertUnwindSafe(|| {
            in_order(
                1_000,
                2,
                |_| (),
                |()| {
                    taken += 1;
                    assert!(taken < 100);
                },
            );
        }));
        assert!(taken.is_err());
    }
}
