//! A sorted list that mostly has one element, which then lies in place.

use std::ops::Deref;

/// Some elements, mostly one. As large as a vector.
#[derive(Clone, Debug)]
pub enum Few<T> {
    One(T),
    /// Empty, too.
    Many(Vec<T>),
}

const _: () = assert!(size_of::<Few<[u64; 2]>>() == size_of::<Vec<u64>>());

impl<T> Default for Few<T> {
    fn default() -> Few<T> {
        Few::Many(Vec::new())
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Few::One(element) => std::slice::from_ref(element),
            Few::Many(elements) => elements,
        }
    }
}

impl<T: Copy> Few<T> {
    /// Adds an element in this place.
    pub fn insert(&mut self, at: usize, element: T) {
        match self {
            Few::Many(elements) if elements.is_empty() && elements.capacity() == 0 => *self = Few::One(element),
            Few::Many(elements) => elements.insert(at, element),
            Few::One(one) => *self = Few::Many(if at == 0 { vec![element, *one] } else { vec![*one, element] }),
        }
    }

    /// Adds an element behind all others.
    pub fn push(&mut self, element: T) {
        self.insert(self.len(), element);
    }

    /// Takes the first elements out, so many of them.
    pub fn remove_first(&mut self, count: usize) {
        match self {
            Few::Many(elements) => drop(elements.drain(..count)),
            Few::One(_) if count > 0 => *self = Few::default(),
            Few::One(_) => {}
        }
    }

    /// Takes one element out.
    pub fn remove(&mut self, at: usize) {
        match self {
            Few::Many(elements) => drop(elements.remove(at)),
            Few::One(_) => *self = Few::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_vector(steps in prop::collection::vec((0..4_u8, 0..100_usize), 0..60)) {
            let (mut few, mut model) = (Few::default(), Vec::new());
            for (what, number) in steps {
                match what {
                    0 => {
                        let at = number % (model.len() + 1);
                        few.insert(at, number);
                        model.insert(at, number);
                    }
                    1 => {
                        few.push(number);
                        model.push(number);
                    }
                    2 if !model.is_empty() => {
                        few.remove(number % model.len());
                        model.remove(number % model.len());
                    }
                    2 => {}
                    _ => {
                        let count = number % (model.len() + 1);
                        few.remove_first(count);
                        model.drain(..count);
                    }
                }
                prop_assert_eq!(&*few, &model[..]);
            }
        }
    }
}
