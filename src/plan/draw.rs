//! A plan as a picture: Mermaid and Graphviz.

use std::fmt::Write as _;

use crate::observe::Role;

use super::{Node, Plan};

impl Plan {
    /// The graph as Mermaid, which Markdown viewers draw.
    pub fn mermaid(&self) -> String {
        let mut out = String::from("flowchart LR\n");
        for node in self.drawn() {
            let (open, close) = match node.role {
                Role::Source => ("([", "])"),
                Role::Stage => ("[", "]"),
                Role::Sink => ("[/", "/]"),
                Role::DeadLetters => ("[(", ")]"),
            };
            let _ = writeln!(out, "  {}{open}\"{}\"{close}", node.id, node.id);
        }
        self.edges(|from, to, port| match port {
            "" => writeln!(out, "  {from} --> {to}"),
            port => writeln!(out, "  {from} -- {port} --> {to}"),
        });
        out
    }

    /// The graph in Graphviz's language.
    pub fn dot(&self) -> String {
        let mut out = format!("digraph \"{}\" {{\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n", self.name);
        for node in self.drawn() {
            let shape = match node.role {
                Role::Source => "oval",
                Role::Stage => "box",
                Role::Sink => "parallelogram",
                Role::DeadLetters => "cylinder",
            };
            let _ = writeln!(out, "  \"{}\" [shape={shape}];", node.id);
        }
        self.edges(|from, to, port| match port {
            "" => writeln!(out, "  \"{from}\" -> \"{to}\";"),
            port => writeln!(out, "  \"{from}\" -> \"{to}\" [label=\"{port}\"];"),
        });
        out.push_str("}\n");
        out
    }

    /// What was written in the file: the dead letters, which read every node, would only hide the rest.
    fn drawn(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.role != Role::DeadLetters)
    }

    fn edges(&self, mut write: impl FnMut(&str, &str, &str) -> std::fmt::Result) {
        for node in self.drawn() {
            for input in &node.inputs {
                let from = &self.nodes[input.node];
                let port = from.ports.get(input.port).map_or("errors", |port| port.name.as_str());
                // Writing into a String cannot fail.
                let _ = write(&from.id, &node.id, port);
            }
        }
    }
}
