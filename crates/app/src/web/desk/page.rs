//! The pages of a form: to fill in, to check, and what stands in the way.

use super::command::command;
use super::fields::{Faults, Group, Typed};
use super::forms::{Form, Plan, Scene};
use super::sign::{Mark, SignError};
use crate::key_file::{self, Passphrase};
use crate::web::AppState;
use crate::web::access::{From, Scheme};
use crate::web::directory::{Directory, Whom};
use crate::web::failure::Failure;
use crate::web::frame::{Frame, Reader, Section};
use crate::web::i18n::Texts;
use crate::web::pages::{error_page, render};
use crate::web::view::Words;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use node::NodeHandle;
use std::sync::Arc;
use units::{StatementId, Timestamp};

#[derive(Template)]
#[template(path = "desk_form.html")]
struct FormPage {
    frame: Frame,
    t: Texts,
    title: String,
    lead: String,
    origin: (String, String),
    action: String,
    groups: Vec<Group>,
    /// How many fields have a fault.
    faults: usize,
    /// What the ledger said against it.
    refused: Option<String>,
}

/// How the statement gets its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signing {
    /// Here, with a passphrase or without.
    Here { passphrase: bool },
    /// With these commands where the key is.
    Elsewhere,
    /// Not over this connection: a passphrase could be read, and an order be made up, on the way.
    Unsafe,
}

#[derive(Template)]
#[template(path = "desk_check.html")]
struct CheckPage {
    frame: Frame,
    t: Texts,
    title: String,
    origin: (String, String),
    action: String,
    signer: String,
    ledger: String,
    lines: Vec<String>,
    notes: Vec<String>,
    /// What was typed, to go on with it.
    hidden: Vec<(String, String)>,
    signing: Signing,
    commands: Vec<String>,
    refused: Option<String>,
}

impl CheckPage {
    fn is_here(&self) -> bool {
        matches!(self.signing, Signing::Here { .. })
    }

    fn asks_passphrase(&self) -> bool {
        self.signing == Signing::Here { passphrase: true }
    }

    fn is_unsafe(&self) -> bool {
        self.signing == Signing::Unsafe
    }
}

/// What is shown next.
enum Shown {
    Form(Scene, Faults, Option<String>),
    Check(Scene, Plan, Vec<api::ActView>, Mark, Option<String>),
    Sent(StatementId, Option<Plan>),
}

/// `GET /desk/{form}`: to fill in; what is in the address stands in the fields already.
pub(crate) async fn form(
    State(state): State<AppState>,
    reader: Reader,
    Path(name): Path<String>,
    Query(typed): Query<Typed>,
) -> Response {
    let Some(form) = Form::of_name(&name) else { return no_such(&state, &reader).await };
    let desk = state.desk();
    let people = state.0.directory.people();
    let (t, asked) = (reader.texts(), typed.clone());
    let scene = state.ask(move |node| {
        Scene::gather((node, desk.as_deref()), t, people, (form, &asked, &Passphrase::default()), None)
    });
    match scene.await {
        Ok(scene) => form_page(&reader, form, &scene, &typed, (Faults::new(), None)),
        Err(failure) => error_page(&reader, "Wattproof", &failure),
    }
}

async fn no_such(state: &AppState, reader: &Reader) -> Response {
    let community = state.ask(|node| Ok(node.status()?.name)).await;
    error_page(reader, community.as_deref().unwrap_or("Wattproof"), &Failure::not_found("such form"))
}

/// What the operator pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pressed {
    Check,
    Edit,
    Sign,
}

impl Pressed {
    fn of(typed: &Typed) -> Self {
        match typed.get("do") {
            "sign" => Self::Sign,
            "edit" => Self::Edit,
            _ => Self::Check,
        }
    }
}

/// `POST /desk/{form}`: checks what was typed, goes back to it, or signs it.
pub(crate) async fn send(
    State(state): State<AppState>,
    reader: Reader,
    from: From,
    headers: HeaderMap,
    Path(name): Path<String>,
    axum::extract::Form(typed): axum::extract::Form<Typed>,
) -> Response {
    let Some(form) = Form::of_name(&name) else { return no_such(&state, &reader).await };
    let desk = state.desk();
    let pressed = match Pressed::of(&typed) {
        // Nobody is asked for a passphrase over such a connection; who sends one all the same is not served.
        Pressed::Sign if !reader.caller.is_secure() => Pressed::Check,
        pressed => pressed,
    };
    let work = Work { form, pressed, typed: typed.clone(), t: reader.texts(), people: state.0.directory.people() };
    let hand = desk.clone();
    let shown = state.ask(move |node| work.carry_out(node, hand.as_deref())).await;
    match shown {
        Ok(Shown::Form(scene, faults, refused)) => form_page(&reader, form, &scene, &typed, (faults, refused)),
        Ok(Shown::Check(scene, plan, acts, mark, refused)) => {
            let signing = match desk.as_ref().and_then(|desk| desk.needs_passphrase()) {
                _ if !reader.caller.is_secure() => Signing::Unsafe,
                Some(passphrase) => Signing::Here { passphrase },
                None => Signing::Elsewhere,
            };
            let node = address(&state, from, &headers);
            let checked = Checked { scene: &scene, plan: &plan, acts: &acts, mark, signing, refused };
            check_page(&reader, form, &typed, checked, &node)
        }
        Ok(Shown::Sent(id, plan)) => {
            let named = plan
                .and_then(|plan| plan.person)
                .zip(desk)
                .map(|((account, person), desk)| desk.name(&state.0.directory, account, Some(person)).err());
            // The ledger has it; a name can be given again on the member's page.
            if let Some(Some(error)) = named {
                tracing::warn!(%error, "a name could not be written");
            }
            Redirect::to(&format!("/statements/{id}")).into_response()
        }
        Err(failure) => error_page(&reader, "Wattproof", &failure),
    }
}

/// This node's address as a program elsewhere reaches it.
fn address(state: &AppState, from: From, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let scheme = if from.scheme == Scheme::Https { "https" } else { "http" };
    state.address().map_or_else(|| format!("{scheme}://{host}"), str::to_owned)
}

/// What was pressed with what was typed, for a thread that may block.
struct Work {
    form: Form,
    pressed: Pressed,
    typed: Typed,
    t: Texts,
    people: std::collections::BTreeMap<units::AccountId, crate::web::directory::Person>,
}

impl Work {
    fn carry_out(self, node: &NodeHandle, desk: Option<&super::Desk>) -> Result<Shown, Failure> {
        let Self { form, pressed, typed, t, people } = self;
        let passphrase = Passphrase::new(typed.get("passphrase").to_owned());
        let mark = mark_of(&typed).filter(|_| pressed == Pressed::Sign);
        if let Some(id) = mark.zip(desk).and_then(|(mark, desk)| desk.sent(&mark.nonce)) {
            return Ok(Shown::Sent(id, None));
        }
        let scene = Scene::gather((node, desk), t, people, (form, &typed, &passphrase), mark)?;
        if pressed == Pressed::Edit {
            return Ok(Shown::Form(scene, Faults::new(), None));
        }
        let plan = match form.plan(&scene, &typed) {
            Ok(plan) => plan,
            Err(faults) => return Ok(Shown::Form(scene, faults, None)),
        };
        let acts = plan.acts.clone();
        let acts =
            node.with_state(move |state| acts.iter().map(|act| node::view::act(act, state)).collect::<Vec<_>>())?;
        let (Some(mark), Some(desk)) = (mark, desk) else {
            let mark =
                Mark { nonce: key_file::random().map_err(|error| Failure::internal(&error))?, issued: scene.now };
            return Ok(Shown::Check(scene, plan, acts, mark, None));
        };
        match desk.sign_and_submit(node, &plan, mark, &passphrase) {
            Ok(id) => Ok(Shown::Sent(id, Some(plan))),
            Err(SignError::Refused(failure)) if failure.status() == StatusCode::INTERNAL_SERVER_ERROR => Err(failure),
            Err(SignError::Refused(failure)) => {
                let words = refusal(t, &failure);
                Ok(Shown::Form(scene, Faults::new(), Some(words)))
            }
            Err(error) => {
                let words = told(t, &error);
                Ok(Shown::Check(scene, plan, acts, mark, Some(words)))
            }
        }
    }
}

/// What the form carries to be this statement and no other.
fn mark_of(typed: &Typed) -> Option<Mark> {
    let nonce = crate::hex::from_hex(typed.get("nonce"))?.try_into().ok()?;
    let issued = typed.get("issued").parse().ok().map(Timestamp::from_ms)?;
    Some(Mark { nonce, issued })
}

/// The ledger's refusal in the reader's words where there are some, and in the rule's own.
fn refusal(t: Texts, failure: &Failure) -> String {
    let problem = &failure.0;
    let key = format!("refused-{}", problem.name().replace('_', "-"));
    let words = t.get(&key);
    if words == key {
        t.arg("desk-refused", "reason", &problem.detail)
    } else {
        t.with("desk-refused-rule", &[("reason", &words), ("rule", &problem.detail)])
    }
}

fn told(t: Texts, error: &SignError) -> String {
    match error {
        SignError::NoKey => t.get("desk-sign-no-key"),
        SignError::Passphrase => t.get("desk-sign-passphrase"),
        SignError::NotTheOperators => t.get("desk-sign-other-key"),
        SignError::Key(reason) | SignError::Statement(reason) => t.arg("desk-sign-failed", "reason", reason),
        SignError::Refused(failure) => refusal(t, failure),
    }
}

const fn section(form: Form) -> Section {
    match form {
        Form::Tariff => Section::Tariff,
        Form::Answer => Section::Claims,
        Form::Level => Section::Pool,
        _ => Section::Members,
    }
}

fn form_page(
    reader: &Reader,
    form: Form,
    scene: &Scene,
    typed: &Typed,
    (faults, refused): (Faults, Option<String>),
) -> Response {
    let t = reader.texts();
    let (title, lead) = form.heading(t);
    let status = if faults.is_empty() && refused.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = FormPage {
        frame: Frame::new(reader, section(form), &scene.status.name, title.clone()),
        t,
        title,
        lead,
        origin: form.origin(t, typed),
        action: format!("/desk/{}", form.name()),
        groups: form.groups(scene, typed, &faults),
        faults: faults.len(),
        refused,
    };
    render(&page, status)
}

/// What the check shows.
struct Checked<'a> {
    scene: &'a Scene,
    plan: &'a Plan,
    acts: &'a [api::ActView],
    mark: Mark,
    signing: Signing,
    refused: Option<String>,
}

fn check_page(reader: &Reader, form: Form, typed: &Typed, checked: Checked<'_>, node: &str) -> Response {
    let Checked { scene, plan, acts, mark, signing, refused } = checked;
    let t = reader.texts();
    let (title, _) = form.heading(t);
    let directory: Arc<Directory> = Arc::new(scene.directory(plan.person.as_ref()));
    let words = Words {
        t,
        face: scene.face.clone(),
        directory: directory.known(Whom::Everybody),
        operator: scene.status.operator,
        currency: scene.status.currency.clone(),
    };
    let fields = form.groups(scene, typed, &Faults::new()).into_iter().flat_map(|group| group.fields);
    let nonce: String = mark.nonce.iter().map(|byte| format!("{byte:02x}")).collect();
    let marks = [("nonce".to_owned(), nonce), ("issued".to_owned(), mark.issued.ms().to_string())];
    let commands = match signing {
        Signing::Elsewhere => plan.acts.iter().filter_map(|act| command(act, node)).collect(),
        Signing::Here { .. } | Signing::Unsafe => Vec::new(),
    };
    let status = if refused.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = CheckPage {
        frame: Frame::new(reader, section(form), &scene.status.name, title.clone()),
        t,
        title,
        origin: form.origin(t, typed),
        action: format!("/desk/{}", form.name()),
        signer: scene.name(&scene.status.operator),
        ledger: scene.status.ledger.to_string(),
        lines: acts.iter().flat_map(|act| words.lines(act)).filter(|line| !line.is_empty()).collect(),
        notes: plan.notes.clone(),
        hidden: fields.map(|field| (field.name.to_owned(), field.value)).chain(marks).collect(),
        signing,
        commands,
        refused,
    };
    render(&page, status)
}
