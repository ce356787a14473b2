use futures_util::FutureExt;

use super::*;

const MIB: usize = 1 << 20;

fn memory(size: usize) -> (Memory, Arc<InputStats>) {
    let stats = Arc::new(InputStats::default());
    (Memory::new(size, &stats), stats)
}

fn used(stats: &InputStats) -> usize {
    usize::try_from(stats.read_memory.load(Relaxed)).unwrap()
}

#[tokio::test]
async fn what_is_free_is_not_counted_and_the_rest_is_given_back() {
    let (memory, stats) = memory(MIB);
    let mut share = memory.share();
    assert!(share.try_grow(FREE_SIZE));
    assert_eq!(used(&stats), 0);
    assert!(share.try_grow(10 * UNIT + 1));
    assert_eq!(used(&stats), 11 * UNIT);
    share.give_back(5 * UNIT);
    assert_eq!(used(&stats), 6 * UNIT);
    drop(share);
    assert_eq!(used(&stats), 0);
    assert!(memory.share().try_grow(MIB + FREE_SIZE));
    assert_eq!(stats.read_memory_max.load(Relaxed), MIB as u64);
}

#[tokio::test]
async fn only_one_share_at_a_time_goes_beyond_the_budget() {
    let (memory, stats) = memory(MIB);
    let mut shares = [memory.share(), memory.share(), memory.share()];
    let [first, second, third] = &mut shares;
    first.grow(MIB).await;
    // The rest of the budget is what the first has free.
    second.grow(MIB).await;
    assert!(used(&stats) > MIB);
    assert!(third.grow(MIB).now_or_never().is_none());
    assert!(!third.try_grow(MIB));
    // Both who have something may need more: one gets it.
    assert!(first.grow(MIB).now_or_never().is_none());
    assert!(second.grow(10 * MIB).now_or_never().is_some());
    second.give_back(11 * MIB);
    assert!(first.grow(MIB).now_or_never().is_some());
}

#[tokio::test]
async fn shares_wait_in_order_and_what_is_given_back_goes_to_the_first() {
    let (memory, _) = memory(MIB);
    let mut holder = memory.share();
    holder.grow(MIB + FREE_SIZE).await;
    let mut beyond = memory.share();
    beyond.grow(MIB + FREE_SIZE).await;
    let (mut second, mut third) = (memory.share(), memory.share());
    let mut large = Box::pin(second.grow(MIB));
    let mut small = Box::pin(third.grow(2 * FREE_SIZE));
    assert!((&mut large).now_or_never().is_none());
    assert!((&mut small).now_or_never().is_none());
    holder.give_back(MIB / 2);
    assert!((&mut large).now_or_never().is_none());
    assert!((&mut small).now_or_never().is_none(), "it would overtake");
    drop(holder);
    assert!((&mut large).now_or_never().is_some());
    assert!((&mut small).now_or_never().is_some());
}

#[tokio::test]
async fn the_turn_ends_when_what_is_held_fits_the_budget() {
    let (memory, stats) = memory(MIB);
    let mut holder = memory.share();
    holder.grow(MIB + FREE_SIZE).await;
    let mut beyond = memory.share();
    beyond.grow(MIB / 2).await;
    let mut waiting = memory.share();
    assert!(waiting.grow(2 * MIB).now_or_never().is_none());
    drop(holder);
    assert!(waiting.grow(2 * MIB).now_or_never().is_none());
    beyond.give_back(UNIT);
    assert_eq!(used(&stats), MIB / 2 - FREE_SIZE - UNIT);
    assert!(waiting.grow(2 * MIB).now_or_never().is_some());
}

#[tokio::test]
async fn a_share_knows_when_others_need_it_and_whoever_left_needs_nothing() {
    let (memory, _) = memory(MIB);
    let mut holder = memory.share();
    let mut beyond = memory.share();
    let mut waiting = memory.share();
    holder.grow(MIB + FREE_SIZE).await;
    beyond.grow(MIB).await;
    assert!(!holder.is_needed());
    {
        let mut growing = Box::pin(waiting.grow(MIB));
        assert!((&mut growing).now_or_never().is_none());
        assert!(holder.is_needed() && beyond.is_needed());
        assert!(!memory.share().is_needed());
    }
    assert!(!holder.is_needed());
}
