//! The automaton of one pattern.

/// A state, by its place in the automaton.
pub(super) type StateId = usize;

/// What a state waits for, and where it goes on.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// This byte.
    Byte(u8, StateId),
    /// Any bytes but dots, or none, staying here.
    InPart(StateId),
    /// Any bytes, or none, staying here.
    Anything(StateId),
    /// Nothing; both ways are tried.
    Either(StateId, StateId),
    /// Nothing; the tag has to end here.
    End,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Automaton {
    states: Vec<State>,
    start: StateId,
}

impl Automaton {
    /// An automaton that has only its end.
    pub(super) fn new() -> Self {
        Self {
            states: vec![State::End],
            start: 0,
        }
    }

    /// The state in which the tag has to end.
    pub(super) fn end(&self) -> StateId {
        0
    }

    /// Adds a state, whose ways lead to states that are there already.
    pub(super) fn add(&mut self, state: State) -> StateId {
        self.states.push(state);
        self.states.len() - 1
    }

    /// The same automaton, beginning at `start`.
    pub(super) fn starting_at(self, start: StateId) -> Self {
        Self { start, ..self }
    }

    /// Whether `tag` leads from the start to the end. Takes no more steps than the tag has bytes
    /// times the automaton has states.
    pub(super) fn matches(&self, tag: &str) -> bool {
        let mut now = Active::new(self.states.len());
        let mut next = Active::new(self.states.len());
        self.enter(self.start, &mut now);
        for byte in tag.bytes() {
            if now.ids.is_empty() {
                return false;
            }
            for &id in &now.ids {
                self.step(id, byte, &mut next);
            }
            std::mem::swap(&mut now, &mut next);
            next.clear();
        }
        now.is_active[self.end()]
    }

    fn step(&self, id: StateId, byte: u8, next: &mut Active) {
        match self.states[id] {
            State::Byte(wanted, then) if byte == wanted => self.enter(then, next),
            State::InPart(_) if byte != b'.' => self.enter(id, next),
            State::Anything(_) => self.enter(id, next),
            State::Byte(..) | State::InPart(_) | State::Either(..) | State::End => {}
        }
    }

    /// Makes a state active, with all that can be reached from it without a byte.
    ///
    /// Ways lead only to states that were there before, so the list of what is left to enter
    /// ends; a state is entered once.
    fn enter(&self, id: StateId, active: &mut Active) {
        active.pending.push(id);
        while let Some(id) = active.pending.pop() {
            if !active.add(id) {
                continue;
            }
            match self.states[id] {
                State::InPart(then) | State::Anything(then) => active.pending.push(then),
                State::Either(one, other) => active.pending.extend([one, other]),
                State::Byte(..) | State::End => {}
            }
        }
    }
}

/// The states that are tried side by side.
struct Active {
    ids: Vec<StateId>,
    is_active: Vec<bool>,
    /// States that are still to be entered; empty between calls.
    pending: Vec<StateId>,
}

impl Active {
    fn new(count: usize) -> Self {
        Self {
            ids: Vec::new(),
            is_active: vec![false; count],
            pending: Vec::new(),
        }
    }

    fn add(&mut self, id: StateId) -> bool {
        let is_new = !std::mem::replace(&mut self.is_active[id], true);
        if is_new {
            self.ids.push(id);
        }
        is_new
    }

    fn clear(&mut self) {
        for id in self.ids.drain(..) {
            self.is_active[id] = false;
        }
    }
}
