//! Variables and what is known of each at one point of an expression.

use std::sync::Arc;

use crate::schema::{Kinds, Shape};

/// The variables in scope, the innermost last.
#[derive(Clone, Debug, Default)]
pub(super) struct Env {
    vars: Vec<Var>,
    /// Nothing comes here: what is before returned, threw or cannot be.
    pub dead: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Var {
    pub name: Arc<str>,
    pub shape: Shape,
    /// A closure may change it at any time, so nothing is ever known of it.
    pub pinned: bool,
}

/// A variable, or what lies along a path of fields in it.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub var: usize,
    pub fields: Vec<Arc<str>>,
}

impl Env {
    pub(super) fn push(&mut self, name: &str, shape: Shape) {
        self.vars.push(Var::new(name, shape));
    }

    pub(super) fn len(&self) -> usize {
        self.vars.len()
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.vars.truncate(len);
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.vars.iter().rposition(|var| *var.name == *name)
    }

    pub(super) fn var(&self, at: usize) -> Option<&Var> {
        self.vars.get(at)
    }

    /// The variable has another value now.
    pub(super) fn set(&mut self, at: usize, shape: Shape) {
        if let Some(var) = self.vars.get_mut(at).filter(|var| !var.pinned) {
            var.shape = shape;
        }
    }

    /// From now on nothing is known of the variable.
    pub(super) fn pin(&mut self, name: &str) {
        if let Some(at) = self.find(name) {
            self.vars[at].shape = Shape::ANY;
            self.vars[at].pinned = true;
        }
    }

    /// More is known of a value: it has this shape. Where it can have none, nothing comes here.
    pub(super) fn narrow(&mut self, spot: &Spot, shape: &Shape) {
        if shape.kinds == Kinds::NONE {
            self.dead = true;
            return;
        }
        if let Some(var) = self.vars.get_mut(spot.var).filter(|var| !var.pinned) {
            var.shape = var.shape.with(&spot.fields, shape);
        }
    }

    /// Where two ways come together.
    pub(super) fn join(self, other: &Env) -> Env {
        match (self.dead, other.dead) {
            (_, true) => self,
            (true, false) => other.clone(),
            (false, false) => {
                let pairs = self.vars.into_iter().zip(&other.vars);
                let vars = pairs
                    .map(|(a, b)| Var { shape: a.shape.join(&b.shape), pinned: a.pinned || b.pinned, name: a.name })
                    .collect();
                Env { vars, dead: false }
            }
        }
    }
}
