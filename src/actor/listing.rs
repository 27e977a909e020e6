//! The actors of one kind on one worker: found, made on demand, replaced after a
//! loss, and let go.
//!
//! An actor that has nothing left to do reports how many calls it has seen; only
//! where no more than those were sent to it is it let go, so no call is lost in a
//! closing actor.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Context, Handler, Message};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use crate::actor::Shared;
use crate::actor::beginning::Begun;
use crate::actor::owner_call::{OwnerCall, QueuedCall};
use crate::actor::recovery::{Announced, Recovery};
use crate::metric::Metrics;
use turntable_core::key::Generation;
use turntable_core::spare::Spare;

/// Lets an actor end.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

/// The gateways have announced to a replacement what they have of its owner.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Recovered;

/// An actor that owns an object.
pub(super) trait OwnerActor:
    Actor<Context = Context<Self>>
    + Handler<QueuedCall<Self::Call>>
    + Handler<Stop>
    + Handler<Recovered>
{
    /// The object's id.
    type Id: Eq + Hash + Clone;
    /// What it is called with.
    type Call: OwnerCall;
    /// The place that the object may have among what clients of an address began; nothing
    /// where such objects have none.
    type Place: Default;

    /// The actor of an object. A replacement keeps quiet until [`Recovered`].
    fn make(shared: &Shared, id: Self::Id, is_replacement: bool) -> Self;

    /// The object has this place.
    fn hold(begun: Option<Begun>) -> Self::Place;
}

/// An actor and the number of calls that were sent to it.
struct Listing<A: OwnerActor> {
    /// `None` while a replacement waits.
    address: Option<Addr<A>>,
    sent: u64,
    /// Its place among what clients of an address began.
    _place: A::Place,
}

impl<A: OwnerActor> Listing<A>
where
    Context<A>: ToEnvelope<A, QueuedCall<A::Call>>,
{
    fn send(&mut self, call: A::Call) {
        self.sent += 1;
        if let Some(address) = &self.address {
            address.do_send(QueuedCall::new(call));
        }
    }
}

/// The actors of one kind.
pub(super) struct Listings<A: OwnerActor> {
    by_id: HashMap<A::Id, Listing<A>>,
    /// The owners of `by_id` that were lost; few, and users are many.
    lost: HashMap<A::Id, Recovery<A::Call>>,
    gauge: Gauge,
    recovered: Counter,
}

impl<A: OwnerActor> Listings<A>
where
    Context<A>: ToEnvelope<A, QueuedCall<A::Call>> + ToEnvelope<A, Stop> + ToEnvelope<A, Recovered>,
{
    /// No actors of the kind that metrics call `kind`.
    pub(super) fn new(metrics: &Metrics, kind: &'static str) -> Self {
        Self {
            by_id: HashMap::new(),
            lost: HashMap::new(),
            gauge: metrics.actors(kind),
            recovered: metrics.actors_recovered.clone(),
        }
    }

    pub(super) fn has(&self, id: &A::Id) -> bool {
        self.by_id.contains_key(id)
    }

    /// Whether all workers together have `max` actors of the kind, whose gauge
    /// counts them.
    pub(super) fn are_full(&self, max: usize) -> bool {
        usize::try_from(self.gauge.get()).is_ok_and(|count| count >= max)
    }

    /// Calls an owner that there is, as nearly all calls are: with one look for it. Gives the call
    /// back where there is none, or where it needs more than that.
    pub(super) fn call_known(&mut self, id: &A::Id, call: A::Call) -> Result<(), A::Call> {
        if !self.lost.is_empty() || call.announced_by().is_some() {
            return Err(call);
        }
        match self.by_id.get_mut(id) {
            Some(listing) => {
                listing.send(call);
                Ok(())
            }
            None => Err(call),
        }
    }

    /// Calls an owner, which is made where there is none; it has then this place among what
    /// clients of an address began. Gives the call back where too many wait for the
    /// recovery of the owner.
    pub(super) fn call(
        &mut self,
        shared: &Shared,
        id: A::Id,
        call: A::Call,
        begun: Option<Begun>,
    ) -> Result<(), A::Call> {
        if call.announced_by().is_some() {
            self.announce(shared, id, call);
            return Ok(());
        }
        match self.lost.get_mut(&id) {
            Some(recovery) if recovery.is_on() => recovery.wait(call),
            _ => {
                self.listing(shared, id, begun).send(call);
                Ok(())
            }
        }
    }

    /// Who there is.
    pub(super) fn ids(&self) -> impl Iterator<Item = &A::Id> {
        self.by_id.keys()
    }

    /// Puts an actor of an earlier process in its place, unless there is one. Returns whether
    /// there was none.
    pub(super) fn put(&mut self, id: A::Id, make: impl FnOnce() -> A) -> bool {
        let Entry::Vacant(entry) = self.by_id.entry(id) else {
            return false;
        };
        self.gauge.inc();
        entry.insert(Listing {
            address: Some(make().start()),
            sent: 0,
            _place: A::Place::default(),
        });
        true
    }

    /// Sends every actor a message, and awaits the answers.
    pub(super) fn ask_all<M>(&self) -> impl Future<Output = Vec<(A::Id, M::Result)>> + use<A, M>
    where
        M: Message + Default + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        Context<A>: ToEnvelope<A, M>,
    {
        let listings = self.by_id.iter();
        let asked = listings.filter_map(|(id, listing)| {
            let address = listing.address.as_ref()?;
            Some((id.clone(), address.send(M::default())))
        });
        let asked: Vec<_> = asked.collect();
        async move {
            let mut answers = Vec::with_capacity(asked.len());
            for (id, answer) in asked {
                // One that ended has nothing to say.
                answers.extend(answer.await.ok().map(|answer| (id, answer)));
            }
            answers
        }
    }

    /// All actors of an earlier process have been announced what gateways have of them.
    pub(super) fn all_restored(&self) {
        for listing in self.by_id.values() {
            if let Some(address) = &listing.address {
                address.do_send(Recovered);
            }
        }
    }

    /// Calls every owner.
    pub(super) fn call_all(&mut self, call: impl Fn() -> A::Call) {
        for listing in self.by_id.values_mut() {
            if listing.address.is_some() {
                listing.send(call());
            }
        }
    }

    fn listing(&mut self, shared: &Shared, id: A::Id, begun: Option<Begun>) -> &mut Listing<A> {
        match self.by_id.entry(id) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.gauge.inc();
                let actor = A::make(shared, entry.key().clone(), false);
                entry.insert(Listing {
                    address: Some(actor.start()),
                    sent: 0,
                    _place: A::hold(begun),
                })
            }
        }
    }

    /// Passes an announcement on, unless it belongs to an earlier loss.
    fn announce(&mut self, shared: &Shared, id: A::Id, call: A::Call) {
        let Some((gateway, generation)) = call.announced_by() else {
            return;
        };
        if !self.has(&id) && call.is_empty_announcement() {
            return;
        }
        let verdict = match self.lost.get_mut(&id) {
            Some(recovery) => recovery.announced(gateway, generation),
            None => Announced::Given,
        };
        if verdict != Announced::Stale {
            self.listing(shared, id.clone(), None).send(call);
        }
        if verdict == Announced::Complete {
            self.recovered(&id, generation);
        }
    }

    /// An owner was lost, with these calls unread. Returns how long its
    /// replacement has to wait, in ms; `None` where there was no such owner.
    pub(super) fn lost(
        &mut self,
        shared: &Shared,
        id: &A::Id,
        generation: Generation,
        mut unread: Vec<A::Call>,
        now_ms: u64,
    ) -> Option<u64> {
        let listing = self.by_id.get_mut(id)?;
        listing.address = None;
        listing.sent = 0;
        // They are made again.
        unread.retain(|call| call.announced_by().is_none());
        let recovery = self.lost.entry(id.clone()).or_insert_with(Recovery::new);
        Some(recovery.lost(generation, shared.bus.gateways(), unread, now_ms))
    }

    /// Makes the replacement of a lost owner. Returns whether it was missing.
    pub(super) fn replace(&mut self, shared: &Shared, id: &A::Id, generation: Generation) -> bool {
        let Some(listing) = self.by_id.get_mut(id) else {
            return false;
        };
        let is_of = |recovery: &Recovery<A::Call>| recovery.generation() == generation;
        if listing.address.is_some() || !self.lost.get(id).is_some_and(is_of) {
            return false;
        }
        listing.address = Some(A::make(shared, id.clone(), true).start());
        true
    }

    /// Every gateway has announced, or had time to. What waited is sent.
    pub(super) fn recovered(&mut self, id: &A::Id, generation: Generation) {
        let Some(listing) = self.by_id.get_mut(id) else {
            return;
        };
        let ended = self.lost.get_mut(id);
        let Some(waiting) = ended.and_then(|recovery| recovery.end(generation)) else {
            return;
        };
        if let Some(address) = &listing.address {
            address.do_send(Recovered);
        }
        for call in waiting {
            listing.send(call);
        }
        self.recovered.inc();
    }

    /// Lets an actor go that has seen every call.
    pub(super) fn release(&mut self, id: &A::Id, seen: u64) -> bool {
        let is_recovering = self.lost.get(id).is_some_and(Recovery::is_on);
        if is_recovering
            || self
                .by_id
                .get(id)
                .is_none_or(|listing| listing.sent != seen)
        {
            return false;
        }
        self.lost.remove(id);
        if let Some(listing) = self.by_id.remove(id) {
            self.gauge.dec();
            if let Some(address) = listing.address {
                address.do_send(Stop);
            }
        }
        self.by_id.give_back();
        self.lost.give_back();
        true
    }
}
