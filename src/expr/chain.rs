//! `a.b["c"].d(e)[f]` of Rhai's tree as a base and its links, for the check and the compiler alike.

use rhai::{ASTFlags, Expr, FnCallExpr, Position};

/// One step of a chain.
#[derive(Clone, Copy)]
pub(crate) struct Link<'a> {
    pub step: Step<'a>,
    /// `?.` or `?[`: where the value so far is null, the rest of the chain is left out and the result is null.
    pub optional: bool,
    /// Of the `.` or `[`.
    pub at: Position,
}

/// What a step does.
#[derive(Clone, Copy)]
pub(crate) enum Step<'a> {
    Field(&'a str, Position),
    Index(&'a Expr),
    Method(&'a FnCallExpr, Position),
}

/// The names of the fields that a chain starts with. In brackets only the first can be one: `event` is an object, but
/// `["name"]` of another value is an error where that is a string, an array or an int, and no path can tell.
pub(crate) fn fields<'a>(links: &[Link<'a>]) -> Vec<(&'a str, Position)> {
    let name = |(i, link): (usize, &Link<'a>)| match link.step {
        Step::Field(name, at) => Some((name, at)),
        Step::Index(Expr::StringConstant(name, at)) if i == 0 => Some((name.as_str(), *at)),
        Step::Index(_) | Step::Method(..) => None,
    };
    let mut fields: Vec<_> = links.iter().enumerate().map_while(name).collect();
    // `event.a?.b[0]` leaves out the index too where `a` is null.
    if fields.len() < links.len()
        && let Some(optional) = links[..fields.len()].iter().position(|link| link.optional)
    {
        fields.truncate(optional);
    }
    fields
}

/// The base of a chain and its links; an expression that is no chain has none.
pub(crate) fn flatten(expr: &Expr) -> (&Expr, Vec<Link<'_>>) {
    let mut links = Vec::new();
    let base = collect(expr, &mut links);
    (base, links)
}

fn collect<'a>(expr: &'a Expr, links: &mut Vec<Link<'a>>) -> &'a Expr {
    let (mut dot, mut pair, mut flags, mut at) = match expr {
        Expr::Dot(pair, flags, at) => (true, pair, *flags, *at),
        Expr::Index(pair, flags, at) => (false, pair, *flags, *at),
        _ => return expr,
    };
    let base = collect(&pair.lhs, links);
    loop {
        let optional = flags.intersects(ASTFlags::NEGATED);
        let next = match &pair.rhs {
            Expr::Dot(next, f, p) if !flags.intersects(ASTFlags::BREAK) => Some((true, next, *f, *p)),
            Expr::Index(next, f, p) if !flags.intersects(ASTFlags::BREAK) => Some((false, next, *f, *p)),
            _ => None,
        };
        let here = next.map_or(&pair.rhs, |(_, next, ..)| &next.lhs);
        links.push(Link { step: step(here, dot), optional, at });
        match next {
            Some(next) => (dot, pair, flags, at) = next,
            None => return base,
        }
    }
}

fn step(expr: &Expr, dot: bool) -> Step<'_> {
    match expr {
        Expr::Property(property, at) if dot => Step::Field(property.2.as_str(), *at),
        Expr::MethodCall(call, at) if dot => Step::Method(call, *at),
        _ => Step::Index(expr),
    }
}
