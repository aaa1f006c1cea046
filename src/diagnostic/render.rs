//! One problem as text: the message, the source line with a caret, labels and help.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, renderer::DecorStyle};

use super::sources::floor;
use super::{Diagnostic, FileId, Severity, Sources, Span};

/// Whether the text is for a terminal that shows colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    Coloured,
}

/// The widest line that is shown; longer ones are cut around the caret.
const WIDTH: usize = 140;

pub(super) fn one(sources: &Sources, diagnostic: &Diagnostic, style: Style) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code.id)
        .elements(None::<Snippet<'_, annotate_snippets::Annotation<'_>>>);
    for file in files_of(sources, diagnostic) {
        group = snippet(sources, diagnostic, file, group);
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    renderer.decor_style(DecorStyle::Ascii).term_width(WIDTH).render(&[group])
}

/// The files that a problem shows, its own one first.
fn files_of(sources: &Sources, diagnostic: &Diagnostic) -> Vec<FileId> {
    let mut files = Vec::new();
    for span in std::iter::once(diagnostic.span).chain(diagnostic.secondary.iter().map(|(span, _)| *span)) {
        if sources.text(span.file).is_some() && !files.contains(&span.file) {
            files.push(span.file);
        }
    }
    files
}

fn snippet<'a>(sources: &'a Sources, diagnostic: &'a Diagnostic, file: FileId, group: Group<'a>) -> Group<'a> {
    let (Some(text), Some(path)) = (sources.text(file), sources.path(file)) else {
        return group;
    };
    if diagnostic.without_source {
        let place = sources.place(diagnostic.span);
        let (line, column) = place.map_or((1, 1), |place| (place.line, place.column));
        return group.element(Origin::path(path).line(line).char_column(column));
    }
    let secondary = diagnostic.secondary.iter().filter(|(span, _)| span.file == file);
    let primary = (diagnostic.span.file == file).then_some(diagnostic.span);
    let spans: Vec<Span> = primary.iter().copied().chain(secondary.clone().map(|(span, _)| *span)).collect();
    let from = spans.iter().map(|span| line_start(text, span.start as usize)).min().unwrap_or(0);
    let to = spans.iter().map(|span| line_end(text, span.end as usize)).max().unwrap_or(0);
    let first_line = text[..from].bytes().filter(|byte| *byte == b'\n').count() + 1;
    let Some(shown) = sources.shown(file, from, to.max(from)) else { return group };
    let range = |span: Span| {
        let start = floor(text, span.start as usize) - from;
        let end = floor(text, span.end as usize).max(from) - from;
        start..one_line(&shown, start, end)
    };
    let mut snippet = Snippet::source(shown.clone()).path(path).line_start(first_line);
    if let Some(span) = primary {
        let mark = AnnotationKind::Primary.span(range(span));
        snippet = snippet.annotation(match &diagnostic.label {
            Some(label) => mark.label(label.as_str()),
            None => mark,
        });
    }
    for (span, label) in secondary {
        snippet = snippet.annotation(AnnotationKind::Context.span(range(*span)).label(label.as_str()));
    }
    group.element(snippet)
}

/// A span over several lines is shown by its first one: the rest would be noise.
fn one_line(shown: &str, start: usize, end: usize) -> usize {
    let line = shown.get(start..end).and_then(|text| text.find(['\n', '\r']));
    line.map_or(end, |newline| start + newline)
}

fn line_start(text: &str, at: usize) -> usize {
    text[..floor(text, at)].rfind('\n').map_or(0, |newline| newline + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    let at = floor(text, at);
    text[at..].find(['\n', '\r']).map_or(text.len(), |end| at + end)
}

#[cfg(test)]
mod tests {
    use super::super::{Diagnostics, codes};
    use super::*;

    #[test]
    fn shows_the_line_the_caret_and_the_way_out() {
        let mut diagnostics = Diagnostics::new();
        let file = diagnostics.add_file("t.yaml", "sinks: {}\nsorces:\n  a: 1\n");
        diagnostics
            .error(&codes::UNKNOWN_KEY, Span::new(file, 10, 16), "a topology has no key `sorces`")
            .suggest("sorces", ["sources", "sinks"]);
        let text = diagnostics.render(Style::Plain);
        assert_eq!(
            text,
            "error[unknown-key]: a topology has no key `sorces`\n --> t.yaml:2:1\n  |\n2 | sorces:\n  | ^^^^^^\n  |\n  = help: did you mean `sources`?\n\n"
        );
    }

    #[test]
    fn a_problem_in_no_file_has_its_text_alone() {
        let mut diagnostics = Diagnostics::new();
        diagnostics.error(&codes::UNKNOWN_KEY, Span::NONE, "no such parameter");
        assert_eq!(diagnostics.render(Style::Plain), "error[unknown-key]: no such parameter\n\n");
    }

    #[test]
    fn odd_spans_do_not_panic() {
        let mut diagnostics = Diagnostics::new();
        let file = diagnostics.add_file("t.yaml", "a: é\r\nb: \u{0}\u{202e}\n");
        for start in 0..20 {
            for end in start..20 {
                diagnostics.error(&codes::UNKNOWN_KEY, Span::new(file, start, end), format!("{start} {end}"));
            }
        }
        assert!(diagnostics.render(Style::Plain).contains("more problems"));
    }
}
