//! The graph of a plan: order, who reads whom, what is read of each port, and the layouts that follow. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::event::{Demand, Layout};
use crate::flow::error_layout;
use crate::limits::FUSED_NODES_MAX;

use super::{Input, Node, Port, PortType, Reader, Work};

/// What `from` names: a node, and a port of it by name. `None`: the main port.
pub(super) struct From<'a> {
    pub node: usize,
    pub port: Option<&'a str>,
}

/// An order in which every node comes after those that it reads. The graph has no cycle: the spec was checked.
pub(super) fn topological(reads: &[Vec<usize>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(reads.len());
    let mut placed = vec![false; reads.len()];
    while order.len() < reads.len() {
        let before = order.len();
        for node in 0..reads.len() {
            if !placed[node] && reads[node].iter().all(|&read| placed[read]) {
                placed[node] = true;
                order.push(node);
            }
        }
        if order.len() == before {
            break;
        }
    }
    order
}

/// Attaches readers to the ports they name.
pub(super) fn attach(nodes: &mut [Node], reader: usize, from: &[From<'_>]) {
    for (input, from) in from.iter().enumerate() {
        let ports = &nodes[from.node].ports;
        let errors = ports.len();
        let port = match from.port {
            None => 0,
            Some(name) => ports.iter().position(|port| port.name == name).unwrap_or(errors),
        };
        nodes[reader].inputs.push(Input { node: from.node, port, variants: Arc::from([]) });
        let reader = Reader { node: reader, input };
        match nodes[from.node].ports.get_mut(port) {
            Some(port) => port.readers.push(reader),
            None => nodes[from.node].error_readers.push(reader),
        }
    }
}

/// Fills in what is read of each port, from the sinks back.
pub(super) fn demand(nodes: &mut [Node]) {
    for node in (0..nodes.len()).rev() {
        let outputs: Vec<Demand> = nodes[node].ports.iter().map(|port| port.demand.clone()).collect();
        let reads = match &nodes[node].work {
            Work::Source(_) => continue,
            Work::Stage(stage) => stage.stage.demand(&outputs),
            Work::Sink(sink) => sink.reads(),
        };
        for input in 0..nodes[node].inputs.len() {
            let Input { node: from, port, .. } = nodes[node].inputs[input];
            if let Some(port) = nodes[from].ports.get_mut(port) {
                port.demand.extend(&reads);
            }
        }
    }
}

/// Fills in the layouts of each port, from the sources on, and how readers number them.
pub(super) fn layouts(nodes: &mut [Node]) {
    let errors = [error_layout()];
    for node in 0..nodes.len() {
        let mut known: Vec<Arc<Layout>> = Vec::new();
        for input in 0..nodes[node].inputs.len() {
            let Input { node: from, port, .. } = nodes[node].inputs[input];
            let arriving = nodes[from].ports.get(port).map_or(&errors[..], |port| &port.layouts);
            let variants = arriving.iter().map(|layout| number(&mut known, layout)).collect();
            nodes[node].inputs[input].variants = variants;
        }
        let demands: Vec<Demand> = nodes[node].ports.iter().map(|port| port.demand.clone()).collect();
        let made = match &mut nodes[node].work {
            Work::Source(source) => {
                let mut all = source.reads();
                source.schema.iter().for_each(|schema| all.extend(&schema.reads()));
                demands.iter().for_each(|demand| all.extend(demand));
                vec![vec![Arc::new(Layout::text(&all))]]
            }
            Work::Stage(stage) => {
                stage.inputs = known;
                stage.stage.layouts(&stage.inputs, &demands)
            }
            Work::Sink(sink) => {
                sink.inputs = known;
                Vec::new()
            }
        };
        for (port, layouts) in nodes[node].ports.iter_mut().zip(made) {
            port.layouts = layouts;
        }
    }
}

fn number(known: &mut Vec<Arc<Layout>>, layout: &Arc<Layout>) -> u16 {
    let at = known.iter().position(|other| other == layout).unwrap_or_else(|| {
        known.push(layout.clone());
        known.len() - 1
    });
    u16::try_from(at).unwrap_or(u16::MAX)
}

/// Decides which stages run in the task of the node that they read: those that keep nothing and are its only reader there.
pub(super) fn fuse(nodes: &mut [Node]) {
    let mut length = vec![1; nodes.len()];
    let mut head: Vec<usize> = (0..nodes.len()).collect();
    for node in 0..nodes.len() {
        let Work::Stage(stage) = &nodes[node].work else { continue };
        let [input] = nodes[node].inputs.as_slice() else { continue };
        let from = &nodes[input.node];
        let readers = from.ports.get(input.port).map_or(&from.error_readers, |port| &port.readers);
        let task = head[input.node];
        if stage.stage.is_stateful() || readers.len() > 1 || length[task] >= FUSED_NODES_MAX {
            continue;
        }
        if matches!(from.work, Work::Sink(_)) {
            continue; // A sink's task waits for a remote system; what reads its errors should not.
        }
        head[node] = task;
        length[task] += 1;
        nodes[node].is_fused = true;
    }
}

/// The sources that meet in a stateful stage, in groups.
pub(super) fn drift_groups(nodes: &[Node]) -> Vec<Vec<usize>> {
    let mut above: Vec<BTreeSet<usize>> = Vec::with_capacity(nodes.len());
    let mut groups: Vec<BTreeSet<usize>> = Vec::new();
    for (place, node) in nodes.iter().enumerate() {
        let mut sources: BTreeSet<usize> = node.inputs.iter().flat_map(|input| above[input.node].clone()).collect();
        if matches!(node.work, Work::Source(_)) {
            sources.insert(place);
        }
        if matches!(&node.work, Work::Stage(stage) if stage.stage.is_stateful()) && sources.len() > 1 {
            let (met, apart) = groups.into_iter().partition(|group: &BTreeSet<usize>| !group.is_disjoint(&sources));
            groups = apart;
            let met: Vec<BTreeSet<usize>> = met;
            groups.push(met.into_iter().flatten().chain(sources.iter().copied()).collect());
        }
        above.push(sources);
    }
    groups.into_iter().map(|group| group.into_iter().collect()).collect()
}

/// The ports of a stage by name; the main port's name is empty.
pub(super) fn ports<'a>(main: bool, named: impl IntoIterator<Item = &'a str>) -> Vec<Port> {
    let names = main.then_some("").into_iter().chain(named);
    names
        .map(|name| Port {
            name: name.into(),
            demand: Demand::default(),
            layouts: Vec::new(),
            of: PortType::default(),
            readers: Vec::new(),
        })
        .collect()
}
