//! What can be said about the graph by names alone: edges that lead nowhere, circles, ports that nobody reads, times that are
//! missing, results that would be counted twice. Pure.

use std::collections::{BTreeSet, HashSet};

use super::model::{ERRORS, TopologySpec};
use super::reader::{any_of, list};
use super::table::{Ports, Table};
use super::value::{PortRef, Section, Value};
use crate::diagnostic::{Diagnostics, Span, codes, did_you_mean};

/// Reports what is wrong with the graph. Edges that lead nowhere are taken out, and break the node that has them.
pub(super) fn check(spec: &mut TopologySpec, diagnostics: &mut Diagnostics) {
    edges(spec, diagnostics);
    former_ids(spec, diagnostics);
    let has_cycle = cycles(spec, diagnostics);
    unread(spec, diagnostics);
    if !has_cycle {
        times(spec, diagnostics);
        revisions(spec, diagnostics);
    }
}

/// Every edge's reader and what it names; sources read nothing.
fn readers(spec: &TopologySpec) -> impl Iterator<Item = (&str, &PortRef)> {
    let stages = spec.stages.values().flat_map(|node| node.from.iter().map(|from| (node.head.id.as_str(), from)));
    let sinks = spec.sinks.values().flat_map(|node| node.from.iter().map(|from| (node.head.id.as_str(), from)));
    stages.chain(sinks)
}

fn edges(spec: &mut TopologySpec, diagnostics: &mut Diagnostics) {
    let mut bad: HashSet<Span> = HashSet::new();
    for (reader, from) in readers(spec) {
        if !edge(spec, reader, from, diagnostics) {
            bad.insert(from.span);
        }
    }
    let keep = |from: &mut Vec<PortRef>| {
        let before = from.len();
        from.retain(|from| !bad.contains(&from.span));
        from.len() < before
    };
    for node in spec.stages.values_mut() {
        node.head.broken |= keep(&mut node.from);
    }
    for node in spec.sinks.values_mut() {
        node.head.broken |= keep(&mut node.from);
    }
}

/// Whether the edge leads to a port that there is.
fn edge(spec: &TopologySpec, reader: &str, from: &PortRef, diagnostics: &mut Diagnostics) -> bool {
    let id = from.node.as_str();
    let is_errors = from.port.as_deref() == Some(ERRORS);
    let no_port = |names: &[&str], main: bool, diagnostics: &mut Diagnostics| {
        no_port(from, names, main, diagnostics);
        false
    };
    if let Some(stage) = spec.stages.get(id) {
        let names = stage.named_ports();
        return match from.port.as_deref() {
            Some(ERRORS) => true,
            // What could not be read may have any port.
            _ if stage.config.broken => true,
            None if stage.has_main_port() => true,
            Some(port) if names.contains(&port) => true,
            _ => no_port(&names, stage.has_main_port(), diagnostics),
        };
    }
    if spec.sources.contains_key(id) {
        return from.port.is_none() || is_errors || no_port(&[], true, diagnostics);
    }
    if spec.sinks.contains_key(id) {
        if is_errors {
            return true;
        }
        diagnostics
            .error(
                &codes::FROM_SINK,
                from.span,
                format!("`{reader}` reads `{id}`, which is a sink: events leave there"),
            )
            .help(format!("read what `{id}` reads; only `{id}.errors` can be read of a sink"));
        return false;
    }
    let known: Vec<&str> =
        spec.heads().map(|head| head.id.as_str()).filter(|known| !spec.sinks.contains_key(*known)).collect();
    let report = diagnostics.error(
        &codes::UNKNOWN_NODE,
        from.span,
        format!("`{reader}` reads `{id}`, and there is no such node"),
    );
    match did_you_mean(id, known.iter().copied().filter(|known| *known != reader)) {
        Some(near) => report.help(format!("did you mean `{near}`?")),
        None if known.is_empty() => report,
        None => report.help(format!("what can be read: {}", list(&known))),
    };
    false
}

fn no_port(from: &PortRef, names: &[&str], main: bool, diagnostics: &mut Diagnostics) {
    let id = &from.node;
    match &from.port {
        None => {
            let ports: Vec<String> = names.iter().map(|name| format!("{id}.{name}")).collect();
            let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
            diagnostics
                .error(
                    &codes::UNKNOWN_PORT,
                    from.span,
                    format!("`{id}` sends events to its ports, and none is named here"),
                )
                .help(format!("read {}", any_of(&ports)));
        }
        Some(port) => {
            let mut all: Vec<&str> = names.to_vec();
            all.push(ERRORS);
            let report = diagnostics.error(&codes::UNKNOWN_PORT, from.span, format!("`{id}` has no port `{port}`"));
            let report = match did_you_mean(port, all.iter().copied()) {
                Some(near) => report.help(format!("did you mean `{id}.{near}`?")),
                None if names.is_empty() => report.help(format!("its only port is `{ERRORS}`")),
                None => report.help(format!("its ports are {}", list(&all))),
            };
            if main {
                report.help(format!("its events are read as `{id}`, without a port"));
            }
        }
    }
}

fn former_ids(spec: &TopologySpec, diagnostics: &mut Diagnostics) {
    let ids: HashSet<&str> = spec.heads().map(|head| head.id.as_str()).collect();
    let mut claimed: HashSet<&str> = HashSet::new();
    for head in spec.heads() {
        let Some(was) = head.was.as_deref() else { continue };
        if ids.contains(was) {
            diagnostics
                .error(
                    &codes::FORMER_ID,
                    head.span,
                    format!("`{}` says that it was `{was}`, and `{was}` is still there", head.id),
                )
                .help("remove `was`, or the other node");
        } else if !claimed.insert(was) {
            diagnostics
                .error(&codes::FORMER_ID, head.span, format!("two nodes say that they were `{was}`"))
                .help("its state can go to one of them alone");
        }
    }
}

/// Reports every circle once. Whether there was one.
fn cycles(spec: &TopologySpec, diagnostics: &mut Diagnostics) -> bool {
    let mut done: HashSet<&str> = HashSet::new();
    let mut found = false;
    for start in spec.stages.keys() {
        // The way to where the walk stands, each with the edges it has still to follow.
        let mut way: Vec<(&str, std::slice::Iter<'_, PortRef>)> = Vec::new();
        let enter = |id: &str| spec.stages.get_key_value(id).map(|(id, stage)| (id.as_str(), stage.from.iter()));
        if !done.contains(start.as_str()) {
            way.extend(enter(start));
        }
        while let Some((id, edges)) = way.last_mut() {
            let id = *id;
            let Some(edge) = edges.next() else {
                done.insert(id);
                way.pop();
                continue;
            };
            if let Some(first) = way.iter().position(|(on_way, _)| *on_way == edge.node) {
                found = true;
                let mut names: Vec<&str> = way[first..].iter().map(|(id, _)| *id).collect();
                names.push(&edge.node);
                // Events go the other way than `from` points.
                names.reverse();
                diagnostics
                    .error(
                        &codes::CYCLE,
                        edge.span,
                        format!("these stages read each other in a circle: {}", names.join(" -> ")),
                    )
                    .help("take one edge out; what has to go round can go over a broker");
            } else if !done.contains(edge.node.as_str()) {
                way.extend(enter(&edge.node));
            }
        }
    }
    found
}

fn unread(spec: &TopologySpec, diagnostics: &mut Diagnostics) {
    let read: HashSet<(&str, Option<&str>)> =
        readers(spec).map(|(_, from)| (from.node.as_str(), from.port.as_deref())).collect();
    // Where an edge leads nowhere, it may have been meant for any of these.
    let broken = spec.stages.values().any(|node| node.head.broken) || spec.sinks.values().any(|node| node.head.broken);
    if broken {
        return;
    }
    for source in spec.sources.values() {
        let id = source.head.id.as_str();
        if !read.contains(&(id, None)) {
            diagnostics
                .warning(
                    &codes::UNREAD_SOURCE,
                    source.head.span,
                    format!("nobody reads the source `{id}`: its events are lost"),
                )
                .help(format!("add a stage or a sink with `from: {id}`, or remove the source"));
        }
    }
    for stage in spec.stages.values() {
        let id = stage.head.id.as_str();
        let unread: Vec<Option<&str>> = stage.ports().into_iter().filter(|port| !read.contains(&(id, *port))).collect();
        if unread.len() == stage.ports().len() || (stage.has_main_port() && unread.contains(&None)) {
            diagnostics
                .warning(
                    &codes::UNREAD_STAGE,
                    stage.head.span,
                    format!("nobody reads the stage `{id}`: what it makes is lost"),
                )
                .help("add a sink that reads it, or remove the stage");
        } else if stage.kind.ports == Ports::Written {
            for port in unread.into_iter().flatten() {
                let span = port_span(&stage.config, port).unwrap_or(stage.head.span);
                diagnostics
                    .warning(
                        &codes::UNREAD_PORT,
                        span,
                        format!("nobody reads the port `{id}.{port}`: events that leave by it are dropped"),
                    )
                    .help(format!("if that is meant, say so with a sink: `{{ from: {id}.{port}, discard: {{}} }}`"));
            }
        }
    }
}

fn port_span(config: &Section, port: &str) -> Option<Span> {
    let exprs = config.entries.values().filter_map(|entry| match &entry.item.value {
        Value::Exprs(exprs) => Some(exprs),
        _ => None,
    });
    exprs.flatten().find(|named| named.name == port).map(|named| named.name_span)
}

fn goes_by_time(kind: &Table, config: &Section) -> bool {
    kind.timed && kind.untimed_by.is_none_or(|key| !config.is_written(key))
}

/// A stage that goes by event time needs it of every source that it sees.
fn times(spec: &TopologySpec, diagnostics: &mut Diagnostics) {
    for stage in spec.stages.values().filter(|stage| goes_by_time(stage.kind, &stage.config)) {
        for from in &stage.from {
            let mut timeless = BTreeSet::new();
            sources_without_time(spec, from, &mut timeless, &mut HashSet::new());
            for id in timeless {
                let Some(source) = spec.sources.get(id) else { continue };
                diagnostics
                    .error(
                        &codes::WINDOW_WITHOUT_TIME,
                        from.span,
                        format!("`{}` goes by event time, and the events of `{id}` have none", stage.head.id),
                    )
                    .also(source.head.span, "this source has no `time`")
                    .help(format!("say where the time is: `time: event.timestamp` in the source `{id}`"))
                    .help("or write `time: arrival`; results then depend on when the run happens");
            }
        }
    }
}

fn sources_without_time<'a>(
    spec: &'a TopologySpec,
    from: &'a PortRef,
    found: &mut BTreeSet<&'a str>,
    seen: &mut HashSet<&'a str>,
) {
    if from.port.as_deref() == Some(ERRORS) || !seen.insert(&from.node) {
        return;
    }
    if let Some(source) = spec.sources.get(&from.node) {
        if !source.connector.timed && !source.common.is_written("time") && !source.head.broken {
            found.insert(&from.node);
        }
    } else if let Some(stage) = spec.stages.get(&from.node)
        // A stage that goes by time itself has been reported itself.
        && !goes_by_time(stage.kind, &stage.config)
    {
        stage.from.iter().for_each(|from| sources_without_time(spec, from, found, seen));
    }
}

fn revises(kind: &Table, config: &Section) -> bool {
    kind.revises_unless.is_some_and(|(key, word)| {
        config.is_written(key) && !matches!(config.value(key), Some(Value::Choice(written)) if *written == word)
    })
}

/// A stage that keeps state must see each fact once.
fn revisions(spec: &TopologySpec, diagnostics: &mut Diagnostics) {
    for stage in spec.stages.values().filter(|stage| stage.kind.stateful) {
        for from in &stage.from {
            if let Some(window) = revised(spec, from, &mut HashSet::new())
                && let Some((key, word)) = window.kind.revises_unless
            {
                diagnostics
                    .error(
                        &codes::UPDATES_FEED_STATE,
                        from.span,
                        format!(
                            "`{}` would count the results of `{}` again at each revision",
                            stage.head.id, window.head.id
                        ),
                    )
                    .also(window.config.key_span_of(key), "this revises its results")
                    .help(format!("write `{key}: {word}` there"));
            }
        }
    }
}

fn revised<'a>(spec: &'a TopologySpec, from: &'a PortRef, seen: &mut HashSet<&'a str>) -> Option<&'a super::StageSpec> {
    // What leaves by a named port of a window is no result.
    let stage = spec.stages.get(&from.node).filter(|_| seen.insert(&from.node))?;
    let is_result = from.port.is_none() || stage.kind.ports == Ports::Written || !stage.kind.stateful;
    if from.port.as_deref() == Some(ERRORS) || !is_result {
        return None;
    }
    if revises(stage.kind, &stage.config) {
        return Some(stage);
    }
    if stage.kind.stateful {
        return None;
    }
    stage.from.iter().find_map(|from| revised(spec, from, seen))
}
