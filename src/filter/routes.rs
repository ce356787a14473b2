//! The routes that an event will take.

use std::sync::Arc;

/// Where an event goes: to the route that its tag leads to, unless a filter says otherwise.
#[derive(Clone, Debug)]
pub struct RouteSet {
    names: Arc<[String]>,
    /// In place of what the tag leads to.
    only: Option<Vec<usize>>,
    /// Routes that were added or removed, in that order.
    edits: Vec<(usize, Edit)>,
    unknown_count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    Add,
    Remove,
}

/// There is no route of a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no route `{name}`")]
pub struct UnknownRoute {
    /// The name.
    pub name: String,
}

impl RouteSet {
    /// What the tag says, `names` being all routes there are.
    pub(super) fn by_tag(names: Arc<[String]>) -> Self {
        Self {
            names,
            only: None,
            edits: Vec::new(),
            unknown_count: 0,
        }
    }

    /// Sends the event to the route `name` too.
    ///
    /// # Errors
    /// [`UnknownRoute`], which is counted also if nobody looks at it.
    pub fn add(&mut self, name: &str) -> Result<(), UnknownRoute> {
        self.edit(name, Edit::Add)
    }

    /// Keeps the event from the route `name`, also if its tag leads there.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn remove(&mut self, name: &str) -> Result<(), UnknownRoute> {
        self.edit(name, Edit::Remove)
    }

    /// Sends the event to the routes `names` and to no other, whatever its tag is or becomes.
    ///
    /// # Errors
    /// As [`add`](Self::add); nothing has changed then.
    pub fn replace<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<(), UnknownRoute> {
        let mut only = Vec::new();
        for name in names {
            only.push(self.index(name)?);
        }
        self.only = Some(only);
        self.edits.clear();
        Ok(())
    }

    /// The places of the routes, each once, `by_tag` being that which the tag leads to.
    pub(super) fn resolve(&self, by_tag: Option<usize>) -> Vec<usize> {
        let mut places: Vec<usize> = match &self.only {
            Some(only) => only.clone(),
            None => by_tag.into_iter().collect(),
        };
        for (place, edit) in &self.edits {
            match edit {
                Edit::Add => places.push(*place),
                Edit::Remove => places.retain(|other| other != place),
            }
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Whether only the tag decides.
    pub(super) fn is_by_tag(&self) -> bool {
        self.only.is_none() && self.edits.is_empty()
    }

    /// How often a name was not known since somebody asked last.
    pub(super) fn take_unknown_count(&mut self) -> u64 {
        std::mem::take(&mut self.unknown_count)
    }

    fn edit(&mut self, name: &str, edit: Edit) -> Result<(), UnknownRoute> {
        let place = self.index(name)?;
        self.edits.push((place, edit));
        Ok(())
    }

    fn index(&mut self, name: &str) -> Result<usize, UnknownRoute> {
        let found = self.names.iter().position(|known| known == name);
        found.ok_or_else(|| {
            self.unknown_count += 1;
            UnknownRoute {
                name: name.to_owned(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> RouteSet {
        RouteSet::by_tag(["a", "b", "c"].map(str::to_owned).into())
    }

    #[test]
    fn routes_are_added_removed_and_replaced_and_each_is_there_once() {
        let mut set = set();
        assert_eq!(set.resolve(Some(1)), [1]);
        assert!(set.resolve(None).is_empty());
        set.add("c").unwrap();
        set.add("c").unwrap();
        assert_eq!(set.resolve(Some(1)), [1, 2]);
        set.remove("b").unwrap();
        assert_eq!(set.resolve(Some(1)), [2]);
        set.replace(["a", "b"]).unwrap();
        assert_eq!(set.resolve(Some(2)), [0, 1]);
        set.remove("a").unwrap();
        set.remove("b").unwrap();
        assert!(set.resolve(Some(2)).is_empty());
    }

    #[test]
    fn h12_an_unknown_route_is_an_error_counted_and_changes_nothing() {
        let mut set = set();
        assert_eq!(set.add("x").unwrap_err().name, "x");
        assert!(set.replace(["a", "y"]).is_err());
        assert_eq!(set.take_unknown_count(), 2);
        assert_eq!(set.take_unknown_count(), 0);
        assert!(set.is_by_tag());
    }
}
