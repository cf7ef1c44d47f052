//! The list of all projects (`/simple/`), filtered by name.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use cordon_policy::facts::{Fact, PackageFacts, VersionFacts};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, FileName, PackageName, PackageVersion, Version,
};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::accept::Representation;
use super::html::{escape, push_escaped};
use super::json::{Members, Span, is_tame, push_string, string};
use super::read_html::{NOT_AN_INDEX, TagName, project_segment, tags, text_of};
use super::read_json::check_api_version;
use super::{CATALOG_HTML, CATALOG_HTML_V1, CATALOG_JSON, SCHEME};
use crate::registry::{Catalog, Links, MetadataError, Rendered, UpstreamDocument, View};

const DOCUMENT: &str = "project list";

/// Most projects of a list; PyPI has some 700,000.
const MAX_PROJECTS: usize = 5_000_000;

/// A parsed list.
pub(super) struct ProjectList {
    bytes: Bytes,
    upstream: SmolStr,
    api_version: SmolStr,
    /// `meta` as upstream has it; `None` in a list read from HTML.
    meta: Option<Span>,
    projects: Vec<Project>,
}

/// One project. Half a million of them are held at once: the name is checked here and again, at no
/// memory, when its facts are asked for.
struct Project {
    name: SmolStr,
    /// The object in a JSON list.
    object: Option<Span>,
}

/// Reads a list in either form. Names outside the grammar are left out (reliability.md N-11).
///
/// # Errors
/// Neither form, or a major version other than 1.
pub(super) fn read(
    document: &UpstreamDocument,
    is_json: bool,
) -> Result<ProjectList, MetadataError> {
    let list = if is_json {
        read_json(document)
    } else {
        read_html(document)
    };
    list.map_err(fail)
}

fn fail(why: impl fmt::Display) -> MetadataError {
    MetadataError::Malformed {
        document: DOCUMENT,
        subject: "pkg:pypi".to_owned(),
        why: why.to_string(),
    }
}

fn is_name(name: &str) -> bool {
    SCHEME.package(name).is_ok()
}

fn read_json(document: &UpstreamDocument) -> Result<ProjectList, String> {
    let text = std::str::from_utf8(&document.bytes).map_err(|error| error.to_string())?;
    let span =
        |raw: &RawValue| Span::of(text, raw.get()).ok_or_else(|| "it has 4 GiB or more".to_owned());
    let top: Members<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut api_version = SmolStr::new_static("1.0");
    if let Some(meta) = top.get("meta") {
        if !is_tame(meta) {
            return Err("`meta` is nested too deeply or holds a giant number".to_owned());
        }
        let members: Members<'_> =
            serde_json::from_str(meta.get()).map_err(|error| format!("`meta`: {error}"))?;
        if let Some(version) = members.get("api-version").and_then(string) {
            api_version = check_api_version(&version)?;
        }
    }
    let raw = top.get("projects").ok_or("it has no `projects`")?;
    let objects: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|error| format!("`projects`: {error}"))?;
    check_count(objects.len())?;
    let mut projects = Vec::with_capacity(objects.len());
    for object in objects {
        let members: Members<'_> =
            serde_json::from_str(object.get()).map_err(|error| format!("`projects`: {error}"))?;
        let name = members.get("name").and_then(string).unwrap_or_default();
        if is_name(&name) && is_tame(object) {
            projects.push(Project {
                name: SmolStr::new(name),
                object: Some(span(object)?),
            });
        }
    }
    Ok(ProjectList {
        bytes: document.bytes.clone(),
        upstream: document.upstream.clone(),
        api_version,
        meta: top.get("meta").map(span).transpose()?,
        projects,
    })
}

fn read_html(document: &UpstreamDocument) -> Result<ProjectList, String> {
    let text = text_of(document)?;
    let mut api_version = SmolStr::new_static("1.0");
    let mut projects = Vec::new();
    let mut is_known = false;
    for tag in tags(text) {
        match tag.name {
            TagName::Anchor => {
                let name = tag
                    .get("href")
                    .and_then(|href| project_segment(&document.url, href))
                    .filter(|name| is_name(name));
                if let Some(name) = name {
                    check_count(projects.len())?;
                    projects.push(Project {
                        name: name.into(),
                        object: None,
                    });
                }
            }
            TagName::Meta if tag.get("name") == Some("pypi:repository-version") => {
                api_version = check_api_version(tag.get("content").unwrap_or_default())?;
                is_known = true;
            }
            TagName::Title => is_known |= tag.starts_with("simple index"),
            // A base element moves the addresses, not the names at their end.
            TagName::Meta | TagName::Base => {}
        }
    }
    if !is_known && projects.is_empty() {
        return Err(NOT_AN_INDEX.to_owned());
    }
    Ok(ProjectList {
        bytes: Bytes::new(),
        upstream: document.upstream.clone(),
        api_version,
        meta: None,
        projects,
    })
}

fn check_count(count: usize) -> Result<(), String> {
    if count > MAX_PROJECTS {
        return Err(format!("it names more than {MAX_PROJECTS} projects"));
    }
    Ok(())
}

impl ProjectList {
    fn facts(&self, name: PackageName) -> Option<VersionFacts> {
        // A list knows no versions: rules about names see all they need, rules about versions see
        // that none is meant.
        let file = FileName::new(SmolStr::new(name.normalized())).ok()?;
        let package = Arc::new(PackageFacts {
            name: name.clone(),
            first_published_at: Fact::NotYet,
            status: Fact::NotYet,
            upstream: self.upstream.clone(),
            similarity: Fact::NotYet,
            popularity: None,
            asked_in_vain: None,
        });
        let artifact = ArtifactId {
            subject: PackageVersion {
                name,
                version: Version::unspecified(),
            },
            file,
            kind: ArtifactKind::Archive,
        };
        Some(VersionFacts::unknown(artifact, package))
    }

    fn kept<'a>(&'a self, keep: &'a [bool]) -> impl Iterator<Item = &'a Project> {
        self.projects
            .iter()
            .zip(keep)
            .filter_map(|(project, keep)| keep.then_some(project))
    }

    fn json(&self, keep: &[bool]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() + 128);
        out.extend_from_slice(b"{\"meta\":");
        match self.meta {
            Some(meta) => out.extend_from_slice(meta.bytes(&self.bytes)),
            None => {
                out.extend_from_slice(b"{\"api-version\":");
                push_string(&mut out, &self.api_version);
                out.push(b'}');
            }
        }
        out.extend_from_slice(b",\"projects\":[");
        for (index, project) in self.kept(keep).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            match project.object {
                Some(object) => out.extend_from_slice(object.bytes(&self.bytes)),
                None => {
                    out.extend_from_slice(b"{\"name\":");
                    push_string(&mut out, &project.name);
                    out.push(b'}');
                }
            }
        }
        out.extend_from_slice(b"]}");
        out
    }

    fn html(&self, keep: &[bool], links: &Links) -> Vec<u8> {
        let base = escape(links.base.as_str());
        let version = escape(&self.api_version);
        let mut out = format!(
            "<!DOCTYPE html>\n<html>\n  <head>\n    \
             <meta name=\"pypi:repository-version\" content=\"{version}\">\n    \
             <title>Simple index</title>\n  </head>\n  <body>\n"
        );
        for project in self.kept(keep) {
            let Ok(name) = SCHEME.package(&project.name) else {
                continue;
            };
            out.push_str("    <a href=\"");
            out.push_str(&base);
            out.push_str("simple/");
            out.push_str(name.normalized());
            out.push_str("/\">");
            push_escaped(&mut out, &project.name);
            out.push_str("</a><br>\n");
        }
        out.push_str("  </body>\n</html>\n");
        out.into_bytes()
    }
}

impl Catalog for ProjectList {
    fn entries(&self) -> Box<dyn Iterator<Item = VersionFacts> + '_> {
        // Both steps succeed for every name kept by the readers, so that entries and projects
        // stay in step.
        Box::new(self.projects.iter().filter_map(move |project| {
            let name = SCHEME.package(&project.name).ok()?;
            self.facts(name)
        }))
    }

    fn render(&self, keep: &[bool], view: &View, links: &Links) -> Result<Rendered, MetadataError> {
        let (body, representation) = match view.form {
            CATALOG_JSON => (self.json(keep), Representation::JsonV1),
            CATALOG_HTML => (self.html(keep, links), Representation::Html),
            CATALOG_HTML_V1 => (self.html(keep, links), Representation::HtmlV1),
            form => {
                return Err(MetadataError::NotFound {
                    what: format!("the project list has no form `{form}`"),
                });
            }
        };
        Ok(Rendered {
            body: body.into(),
            content_type: representation.media_type(),
            last_modified: None,
            vary: "Accept",
        })
    }
}
