//! Lowering of chains: `a.b["c"].d(e)[f]`. Rhai computes what stands in the brackets and calls of a chain before it goes along the
//! chain, so where that order could be noticed these come first here too, as variables.

use std::collections::VecDeque;
use std::sync::Arc;

use rhai::{Expr, Position};

use crate::event::Path;

use super::chain::{self, Link, Step};
use super::check::META_FIELDS;
use super::ir::{Index, Ir, Optional};
use super::lower::{Lower, Refusal};

/// A step whose arguments are lowered.
enum Lowered<'a> {
    Field(&'a str),
    /// The index, and where it stands.
    Index(Ir, Position),
    Method(&'a str, Vec<Ir>, Position),
}

/// A link whose arguments are lowered.
struct Joint<'a> {
    step: Lowered<'a>,
    optional: bool,
    at: Position,
}

impl Lower<'_> {
    /// A variable and what hangs on it, or any other value and what hangs on that.
    pub(super) fn chain(&mut self, expr: &Expr) -> Result<Ir, Refusal> {
        let (base, links) = chain::flatten(expr);
        let Expr::Variable(parts, _, at) = base else {
            let value = self.operand(base)?;
            return self.links(value, &links, false);
        };
        let name = parts.1.as_str();
        let fields: Vec<&str> = chain::fields(&links).into_iter().map(|(name, _)| name).collect();
        let (value, used) = if let Some(local) = self.variable(name) {
            (Ir::Local(local), 0)
        } else if let Some(arg) = self.argument(name) {
            (if self.taken.contains(&arg) { Ir::Local(arg) } else { Ir::Arg(arg) }, 0)
        } else {
            match name {
                "event" if self.calls.is_empty() && fields.is_empty() => (Ir::Whole, 0),
                "event" if self.calls.is_empty() => {
                    let path: Path = fields.iter().map(|name| Arc::from(*name)).collect();
                    (Ir::Read(self.compiled.read(path)), fields.len())
                }
                "meta" if self.calls.is_empty() => match fields.first() {
                    Some(field) => {
                        let field = META_FIELDS.iter().find(|have| *have == field);
                        (Ir::Meta(field.ok_or((*at, "`meta` as a whole is interpreted"))?), 1)
                    }
                    None => return Err((*at, "`meta` as a whole is interpreted")),
                },
                "params" => self.params(&fields),
                _ => return Err((*at, "this variable is interpreted")),
            }
        };
        self.links(value, links.get(used..).unwrap_or_default(), true)
    }

    /// A part of `params`: a constant.
    fn params(&mut self, fields: &[&str]) -> (Ir, usize) {
        let mut used = 0;
        let shared = self.shared;
        let whole = serde_json::Value::Object(shared.params.clone());
        let mut value = &whole;
        for name in fields {
            match value.as_object().and_then(|object| object.get(*name)) {
                Some(inner) => value = inner,
                None => break,
            }
            used += 1;
        }
        let cell = self.compiled.json(value);
        (Ir::Const(self.compiled.constant(cell)), used)
    }

    /// What hangs on a value. `plain`: the value is a variable, so that the first arguments may be computed after it.
    fn links(&mut self, value: Ir, links: &[Link<'_>], plain: bool) -> Result<Ir, Refusal> {
        let mut joints = links.iter().map(|link| self.joint(link)).collect::<Result<Vec<Joint<'_>>, Refusal>>()?;
        let mut before = Vec::new();
        if !keeps_order(&mut joints, plain) {
            for argument in joints.iter_mut().flat_map(Joint::arguments).filter(|argument| !cannot_fail(argument)) {
                let local = self.new_local();
                before.push(Ir::Set(local, Box::new(std::mem::replace(argument, Ir::Local(local)))));
            }
        }
        let value = self.along(value, joints.into())?;
        if before.is_empty() {
            return Ok(value);
        }
        before.push(value);
        Ok(Ir::Block(before))
    }

    fn joint<'l>(&mut self, link: &Link<'l>) -> Result<Joint<'l>, Refusal> {
        let step = match link.step {
            Step::Field(name, _) => Lowered::Field(name),
            Step::Index(index) => {
                self.chars = true;
                Lowered::Index(self.operand(index)?, index.start_position())
            }
            Step::Method(call, at) => {
                let args = call.args.iter().map(|arg| self.operand(arg)).collect::<Result<_, _>>()?;
                Lowered::Method(call.name.as_str(), args, at)
            }
        };
        Ok(Joint { step, optional: link.optional, at: link.at })
    }

    /// Goes along a chain.
    fn along(&mut self, mut value: Ir, mut joints: VecDeque<Joint<'_>>) -> Result<Ir, Refusal> {
        while let Some(joint) = joints.pop_front() {
            // Fields of null are null anyway.
            let fields_only = joint.is_field() && joints.iter().all(Joint::is_field);
            if joint.optional && !fields_only {
                let local = self.new_local();
                let rest = self.step(Ir::Local(local), joint)?;
                let rest = self.along(rest, joints)?;
                return Ok(Ir::Optional(Box::new(Optional { value, local, rest })));
            }
            value = self.step(value, joint)?;
        }
        Ok(value)
    }

    fn step(&mut self, value: Ir, joint: Joint<'_>) -> Result<Ir, Refusal> {
        Ok(match joint.step {
            Lowered::Field(name) => match value {
                Ir::Field(value, path) => Ir::Field(value, path.iter().cloned().chain([Arc::from(name)]).collect()),
                value => Ir::Field(Box::new(value), [Arc::from(name)].into()),
            },
            Lowered::Index(index, at) => Ir::Index(Box::new(Index { target: value, index, at, bracket: joint.at })),
            Lowered::Method(name, mut args, at) => {
                args.insert(0, value);
                return self.native(name, args, at);
            }
        })
    }
}

impl Joint<'_> {
    fn is_field(&self) -> bool {
        matches!(self.step, Lowered::Field(_))
    }

    fn arguments(&mut self) -> &mut [Ir] {
        match &mut self.step {
            Lowered::Field(_) => &mut [],
            Lowered::Index(index, _) => std::slice::from_mut(index),
            Lowered::Method(_, args, _) => args,
        }
    }
}

/// Whether nobody can tell that arguments are computed along the way: what can fail stands where nothing before it can.
fn keeps_order(joints: &mut [Joint<'_>], plain: bool) -> bool {
    let mut first = plain;
    for joint in joints {
        // Rhai computes also what `?.` leaves out.
        first &= !joint.optional;
        if joint.is_field() {
            continue;
        }
        let allowed = std::mem::replace(&mut first, false);
        if !allowed && !joint.arguments().iter().all(cannot_fail) {
            return false;
        }
    }
    true
}

/// Whether it is a constant, a variable or a field.
fn cannot_fail(value: &Ir) -> bool {
    match value {
        Ir::Field(value, _) => value.is_plain(),
        value => value.is_plain(),
    }
}
