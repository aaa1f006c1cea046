//! Records that contain themselves in each of their values: no event can be one.

use super::{Body, Kind, NameId, Named, Type};
use crate::limits::AVRO_ENDLESS_ROUNDS_MAX;

/// The record that keeps values of the type from having an end, and its field by which it does.
pub(super) fn within<'n>(names: &'n [Named], root: &Type) -> Option<(&'n str, &'n str)> {
    let mut ends = vec![false; names.len()];
    let settled = (0..AVRO_ENDLESS_ROUNDS_MAX).any(|round| {
        let mut changed = false;
        for at in 0..names.len() {
            // Types within others come behind them, and types of other files before them.
            let index = if round % 2 == 0 { names.len() - 1 - at } else { at };
            let now = match &names[index].body {
                Body::Record(fields) => fields.iter().all(|field| has_end(&field.ty, &ends)),
                Body::Enum { .. } | Body::Fixed { .. } => true,
            };
            changed |= now != std::mem::replace(&mut ends[index], now);
        }
        !changed
    });
    let Kind::Named(NameId(index)) = root.kind else { return None };
    // Of what is that entangled nothing is said.
    let named = names.get(index as usize).filter(|_| settled && !has_end(root, &ends))?;
    let Body::Record(fields) = &named.body else { return None };
    let field = fields.iter().find(|field| !has_end(&field.ty, &ends))?;
    Some((named.name.as_str(), &field.name))
}

/// Whether some value of the type is finite, as far as it is known which named types have one.
fn has_end(ty: &Type, ends: &[bool]) -> bool {
    match &ty.kind {
        Kind::Named(NameId(index)) => ends.get(*index as usize).copied().unwrap_or(true),
        Kind::Union(branches) => branches.iter().any(|branch| has_end(branch, ends)),
        // Those of collections are empty.
        _ => true,
    }
}
