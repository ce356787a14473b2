use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{
    BoundInput, BoxError, Commons, FilterPlugin, InputPlugin, OpenContext, OutputPlugin, Plugin,
    Registry, RegistryError, SharedState,
};
use crate::clock::Clock;
use crate::config;
use crate::config::plan::{InputPlan, Plan};
use crate::config::settings::{NoSettings, Settings};
use crate::config::types::{PluginKind, Types as _};
use crate::decoder::{DecodeError, Decoded, Decoder, DecoderPlan};
use crate::event::{Event, Value};
use crate::filter::{Context, Failure, Filter, OnError, Verdict};
use crate::input::pull::{Input, Pack, PullInput, Read, ReadError};
use crate::output::null::NullOutput;
use crate::output::{BoxFuture, LifecycleEvent, Output};

macro_rules! type_called {
    ($name:ident, $own:literal, $others:expr, $about:literal) => {
        struct $name;

        impl Plugin for $name {
            const NAME: &'static str = $own;
            const OTHER_NAMES: &'static [&'static str] = $others;
            const ABOUT: &'static str = $about;
            type Settings = NoSettings;
        }

        impl OutputPlugin for $name {
            async fn open(&self, _: &NoSettings, _: &OpenContext) -> Result<Output, BoxError> {
                Ok(Output::of(Arc::new(NullOutput)).buffered().into())
            }
        }
    };
}

type_called!(Bus, "bus", &["flusher_bus", "BusOutput"], "Sends to a bus.");
type_called!(OtherBus, "coach", &["BusOutput"], "Sends to another bus.");
type_called!(Http, "http", &[], "Sends by HTTP, better.");
type_called!(Silent, "silent", &[], " ");
type_called!(Odd, "an odd name", &[], "Has no name.");

#[test]
fn i08_h21_h22_a_type_goes_by_all_its_names() {
    let registry = Registry::builtin().output(Bus).unwrap();
    for name in ["bus", "flusher_bus", "BusOutput"] {
        let info = registry.plugin(PluginKind::Output, name).unwrap();
        assert_eq!((info.name, info.about), ("bus", "Sends to a bus."));
    }
    let listed = registry.plugins().filter(|info| info.name == "bus").count();
    assert_eq!(listed, 1);
    assert!(registry.names(PluginKind::Output).contains(&"flusher_bus"));
    assert!(registry.plugin(PluginKind::Input, "bus").is_none());
}

#[test]
fn i08_h22_f01_a_duplicate_is_refused_and_both_are_named() {
    let registry = Registry::builtin().output(Bus).unwrap();
    let refused = registry.output(OtherBus).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "two output types are called `BusOutput`: `bus` (Sends to a bus.) and `coach` (Sends to \
         another bus.)"
    );
    let refused = Registry::builtin().output(Http).err().unwrap();
    assert!(matches!(
        refused,
        RegistryError::Duplicate {
            first: "http",
            second: "http",
            ..
        }
    ));
}

#[test]
fn i02_g01_every_type_says_in_a_sentence_what_it_does() {
    let refused = Registry::builtin().output(Silent).err().unwrap();
    assert!(matches!(
        refused,
        RegistryError::NoAbout { name: "silent", .. }
    ));
    assert!(matches!(
        Registry::builtin().output(Odd).err(),
        Some(RegistryError::Name { .. })
    ));
    for info in Registry::builtin().plugins() {
        assert!(
            info.about.ends_with('.') && info.about.len() > 10,
            "{info:?}"
        );
    }
}

#[derive(Default)]
struct Pool {
    reloads: AtomicUsize,
    closes: AtomicUsize,
}

impl SharedState for Pool {
    fn on(&self, event: LifecycleEvent) {
        if event == LifecycleEvent::Reload {
            self.reloads.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.closes.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn h04_h05_instances_share_what_is_made_once_and_it_is_told_and_closed() {
    let commons = Commons::default();
    let made = AtomicUsize::new(0);
    let make = async || {
        made.fetch_add(1, Ordering::Relaxed);
        Ok(Pool::default())
    };
    let (a, b) = (
        commons.context("a", Clock::start()),
        commons.context("b", Clock::start()),
    );
    let failed = a
        .shared::<Pool, _>(|| async { Err("no server".into()) })
        .await;
    assert_eq!(failed.err().unwrap().to_string(), "no server");
    let (of_a, of_b) = tokio::join!(a.shared(make), b.shared(make));
    let (of_a, of_b) = (of_a.unwrap(), of_b.unwrap());
    assert!(Arc::ptr_eq(&of_a, &of_b));
    assert_eq!(made.load(Ordering::Relaxed), 1);
    commons.tell(LifecycleEvent::Reload);
    commons.close().await;
    assert_eq!(of_a.reloads.load(Ordering::Relaxed), 1);
    assert_eq!(of_a.closes.load(Ordering::Relaxed), 1);
}

/// Gives each instance a context of its own.
struct Named;

impl Plugin for Named {
    const NAME: &'static str = "named";
    const ABOUT: &'static str = "Knows its name.";
    type Settings = NoSettings;
}

impl OutputPlugin for Named {
    async fn open(&self, _: &NoSettings, context: &OpenContext) -> Result<Output, BoxError> {
        match &*context.name {
            "bad" => Err("this one is bad".into()),
            _ => Ok(Output::of(Arc::new(NullOutput)).buffered().into()),
        }
    }
}

#[tokio::test]
async fn i01_g02_g03_each_instance_is_opened_for_itself_and_may_fail_for_itself() {
    let registry = Registry::builtin().output(Named).unwrap();
    let text = "data_dir: d\ninputs: {i: {type: http}}\noutputs: {good: {type: named}, bad: {type: named}}\nroutes: {r: {match: '**', to: [good, bad]}}\n";
    let plan = crate::config::load_with("f", text, &crate::config::System, &registry).unwrap();
    let commons = Commons::default();
    let mut opened = Vec::new();
    for (name, output) in &plan.outputs {
        let context = commons.context(name, Clock::start());
        opened.push((
            name.as_str(),
            registry.open_output(output, &context).await.is_ok(),
        ));
    }
    assert_eq!(opened, [("bad", false), ("good", true)]);
    let context = commons.context("bad", Clock::start());
    let unknown = Registry::builtin()
        .open_output(&plan.outputs["bad"], &context)
        .await;
    assert_eq!(
        unknown.err().unwrap().to_string(),
        "no output type is called `named`"
    );
}

#[test]
fn every_built_in_type_of_the_configuration_is_in_the_registry_and_the_other_way_round() {
    let registry = Registry::builtin();
    for kind in [PluginKind::Input, PluginKind::Filter, PluginKind::Output] {
        let mut configured: Vec<_> = crate::config::builtin(kind)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        configured.sort_unstable();
        let known = registry.plugins().filter(|info| info.kind == kind);
        let mut known: Vec<_> = known.map(|info| info.name).collect();
        known.sort_unstable();
        assert_eq!(known, configured, "{kind}");
        for name in known {
            assert!(registry.settings(kind, name).unwrap()["properties"].is_object());
        }
    }
}

#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Word {
    /// What is said.
    word: String,
}

impl Settings for Word {}

struct Parrot;

impl Plugin for Parrot {
    const NAME: &'static str = "parrot";
    const ABOUT: &'static str = "Says a word.";
    type Settings = Word;
}

struct Saying(Option<String>);

impl Input for Saying {
    fn read(&mut self, pack: &mut Pack, _: Duration) -> Result<Read, ReadError> {
        let Some(word) = self.0.take() else {
            return Ok(Read::End);
        };
        pack.bytes_mut().extend_from_slice(word.as_bytes());
        Ok(Read::Filled)
    }
}

impl InputPlugin for Parrot {
    async fn open(&self, settings: &Word, context: &OpenContext) -> Result<PullInput, BoxError> {
        let input = Saying(Some(settings.word.clone()));
        Ok(PullInput::new(input, &*context.name)?)
    }
}

struct Censoring(String);

impl Filter for Censoring {
    fn apply(&self, event: &mut Event, _: &mut Context<'_>) -> Result<Verdict, Failure> {
        Ok(match event.tag() == self.0 {
            true => Verdict::Block,
            false => Verdict::Keep,
        })
    }
}

impl FilterPlugin for Parrot {
    async fn open(&self, settings: &Word, _: &OpenContext) -> Result<Box<dyn Filter>, BoxError> {
        Ok(Box::new(Censoring(settings.word.clone())))
    }
}

fn plan(filter: &str) -> Result<Plan, config::Error> {
    let text = format!(
        "data_dir: d\ninputs: {{i: {{type: parrot, word: hello}}}}\noutputs: {{o: {{type: stdout}}}}\nroutes: \
         {{r: {{match: '**', to: o}}}}\nfilters:\n  f: {filter}\n"
    );
    config::load_with("f.yaml", &text, &config::System, &parrots())
}

fn parrots() -> Registry {
    let registry = Registry::builtin().input(Parrot).unwrap();
    registry.filter(Parrot).unwrap()
}

#[tokio::test]
async fn h21_h22_inputs_and_filters_of_ones_own_are_named_in_the_file_and_opened() {
    let registry = parrots();
    let plan = plan("{type: parrot, match: 'a.**', on_error: dead_letter, word: a.b}").unwrap();
    let commons = Commons::default();
    let clock = Clock::start();
    let context = commons.context("i", clock);
    let input = registry.open_input(&plan.inputs["i"], &context).await;
    let input = input.unwrap();
    assert!(matches!(input, BoundInput::Pull("parrot", _)));
    let link = registry.open_filter(&plan.filters[0], &context).await;
    let link = link.unwrap();
    assert!(link.matcher.unwrap().matches("a.c"));
    assert_eq!(link.on_error, OnError::DeadLetter);
    let known = registry.settings(PluginKind::Filter, "parrot").unwrap();
    for name in ["word", "match", "on_error"] {
        assert!(known["properties"][name].is_object(), "{name}");
    }
    assert!(
        Registry::builtin()
            .open_input(&plan.inputs["i"], &context)
            .await
            .is_err()
    );
}

#[test]
fn h21_settings_of_ones_own_filter_have_their_places() {
    let refused = plan("{type: parrot, match: x, wrod: a}")
        .unwrap_err()
        .to_string();
    assert!(refused.contains("f.yaml:6:31"), "{refused}");
    assert!(refused.contains("wrod"), "{refused}");
}

#[derive(Debug)]
struct Length;

impl Decoder for Length {
    fn decode(&self, bytes: &[u8]) -> Result<Decoded, DecodeError> {
        let len = i64::try_from(bytes.len()).unwrap();
        Ok(Decoded {
            time: None,
            record: [("length", len)].into_iter().collect(),
        })
    }
}

fn with_length(registry: Registry) -> Result<Registry, RegistryError> {
    registry.decoder("length", "Anything; its length.", Arc::new(Length))
}

#[test]
fn h08_a_decoder_of_ones_own_is_named_like_those_that_are_built_in() {
    let text = |decoder: &str| {
        format!(
            "data_dir: d\ninputs: {{i: {{type: stdin, decoder: {decoder}}}}}\nfilters: {{f: {{type: parser, key: \
             a, decoder: {decoder}}}}}\noutputs: {{o: {{type: stdout}}}}\nroutes: {{r: {{match: '**', to: o}}}}\n"
        )
    };
    let registry = with_length(Registry::builtin()).unwrap();
    let load = |text: &str, registry: &Registry| {
        config::load_with("f.yaml", text, &config::System, registry)
    };
    let plan = load(&text("length"), &registry).unwrap();
    let InputPlan::Stdin(stdin) = &plan.inputs["i"] else {
        panic!("{plan:?}");
    };
    assert_eq!(stdin.decoder.name(), "length");
    let decoded = stdin.decoder.open(None).decode(b"four").unwrap();
    assert_eq!(decoded.record.get("length"), Some(&Value::Int(4)));
    assert_eq!(
        plan,
        load(&text("length"), &registry).unwrap(),
        "a reload sees no change"
    );
    let unknown = load(&text("lenght"), &registry).unwrap_err().to_string();
    assert!(unknown.contains("did you mean `length`"), "{unknown}");
    assert!(load(&text("length"), &Registry::builtin()).is_err());
    let about = registry
        .plugin(PluginKind::Decoder, "length")
        .unwrap()
        .about;
    assert_eq!(about, "Anything; its length.");
}

#[test]
fn h08_two_decoders_of_one_name_are_refused() {
    let twice = with_length(Registry::builtin()).and_then(with_length);
    assert!(matches!(
        twice,
        Err(RegistryError::Duplicate { name: "length", .. })
    ));
    let built_in = Registry::builtin().decoder("json", "Another.", Arc::new(Length));
    assert!(matches!(
        built_in,
        Err(RegistryError::Duplicate { name: "json", .. })
    ));
    let nameless = Registry::builtin().decoder("a b", "Another.", Arc::new(Length));
    assert!(matches!(nameless, Err(RegistryError::Name { .. })));
    let silent = Registry::builtin().decoder("silent", " ", Arc::new(Length));
    assert!(matches!(silent, Err(RegistryError::NoAbout { .. })));
}

#[test]
fn decoders_and_encoders_are_listed_as_the_configuration_takes_them() {
    let registry = Registry::builtin();
    let listed = |kind| {
        let of_kind = registry.plugins().filter(|info| info.kind == kind);
        of_kind.map(|info| info.name).collect::<BTreeSet<_>>()
    };
    assert_eq!(
        listed(PluginKind::Decoder),
        DecoderPlan::NAMES.into_iter().collect()
    );
    let mut formats = BTreeSet::new();
    for (_, settings) in config::builtin(PluginKind::Output) {
        let choices = settings["properties"]["format"]["anyOf"][0]["enum"]
            .as_array()
            .cloned();
        let names = choices.into_iter().flatten();
        formats.extend(names.map(|name| name.as_str().unwrap().to_owned()));
    }
    let encoders = listed(PluginKind::Encoder);
    assert_eq!(
        encoders.into_iter().collect::<Vec<_>>(),
        formats.into_iter().collect::<Vec<_>>()
    );
}
