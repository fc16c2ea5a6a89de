//! A handful of C functions over iceoryx2's publisher, subscriber, notifier and listener. The loops that
//! are measured stand in C++, the same ones for every contender.
//!
//! Every function that can fail takes a buffer for the reason and returns null or a negative number.
//! An object belongs to one thread, as ipc::Service demands.

use core::ffi::{CStr, c_char, c_void};
use core::time::Duration;

use iceoryx2::config::Config;
use iceoryx2::node::Node;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use iceoryx2::sample_mut::SampleMut;
use iceoryx2::service::port_factory::event;
use iceoryx2_bb_container::semantic_string::SemanticString;
use iceoryx2_bb_system_types::file_name::FileName;
use iceoryx2_bb_system_types::path::Path;

type Outcome<T> = Result<T, Box<dyn core::error::Error>>;

/// The user header of every sample: what the workload stamps a frame with.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy, ZeroCopySend)]
pub struct Stamp {
    pub seq: u64,
    pub time_ns: i64,
}

/// How a link is set up; the same at both ends.
#[repr(C)]
pub struct Setup {
    pub name: *const c_char,
    /// Folder for static files and sockets, in it nothing else.
    pub root: *const c_char,
    /// What the names of shared memory objects begin with.
    pub prefix: *const c_char,
    pub frame_bytes: usize,
    pub slots: usize,
    pub receivers: usize,
}

pub struct Sender {
    // In the order in which they are to be dropped.
    loaned: Option<SampleMut<ipc::Service, [u8], Stamp>>,
    publisher: Publisher<ipc::Service, [u8], Stamp>,
    notifier: Notifier<ipc::Service>,
    event: event::PortFactory<ipc::Service>,
    _node: Node<ipc::Service>,
}

pub struct Receiver {
    subscriber: Subscriber<ipc::Service, [u8], Stamp>,
    listener: Option<Listener<ipc::Service>>,
    event: event::PortFactory<ipc::Service>,
    _node: Node<ipc::Service>,
}

pub type Handler =
    extern "C" fn(context: *mut c_void, seq: u64, time_ns: i64, bytes: *const u8, size: usize);

/// What nodes that have died may leave room for beside the receivers of a link.
const SPARE_RECEIVERS: usize = 2;

fn text<'a>(pointer: *const c_char) -> Outcome<&'a str> {
    Ok(unsafe { CStr::from_ptr(pointer) }.to_str()?)
}

fn say(why: *mut c_char, room: usize, reason: &dyn core::fmt::Display) {
    let reason = reason.to_string();
    if why.is_null() || room == 0 {
        return;
    }
    let length = reason.len().min(room - 1);
    unsafe {
        core::ptr::copy_nonoverlapping(reason.as_ptr(), why.cast::<u8>(), length);
        why.add(length).write(0);
    }
}

fn join(setup: &Setup) -> Outcome<Node<ipc::Service>> {
    set_log_level(LogLevel::Error);
    let mut config = Config::default();
    config
        .global
        .set_root_path(&Path::new(text(setup.root)?.as_bytes()).map_err(|e| format!("{e:?}"))?);
    config.global.prefix =
        FileName::new(text(setup.prefix)?.as_bytes()).map_err(|e| format!("{e:?}"))?;
    Ok(NodeBuilder::new()
        .config(&config)
        .signal_handling_mode(SignalHandlingMode::Disabled)
        .create::<ipc::Service>()?)
}

fn frames(
    node: &Node<ipc::Service>,
    setup: &Setup,
) -> Outcome<
    iceoryx2::service::port_factory::publish_subscribe::PortFactory<ipc::Service, [u8], Stamp>,
> {
    let name: ServiceName = text(setup.name)?.try_into()?;
    Ok(node
        .service_builder(&name)
        .publish_subscribe::<[u8]>()
        .user_header::<Stamp>()
        .payload_alignment(Alignment::new(64).ok_or("no alignment of 64 bytes")?)
        .enable_safe_overflow(true)
        .history_size(0)
        .subscriber_max_buffer_size(setup.slots)
        .max_publishers(1)
        .max_subscribers(setup.receivers + SPARE_RECEIVERS)
        .open_or_create()?)
}

fn events(node: &Node<ipc::Service>, setup: &Setup) -> Outcome<event::PortFactory<ipc::Service>> {
    let name: ServiceName = text(setup.name)?.try_into()?;
    Ok(node
        .service_builder(&name)
        .event()
        .max_listeners(setup.receivers + SPARE_RECEIVERS)
        .open_or_create()?)
}

fn make_sender(setup: &Setup) -> Outcome<Sender> {
    let node = join(setup)?;
    let publisher = frames(&node, setup)?
        .publisher_builder()
        .initial_max_slice_len(setup.frame_bytes)
        .create()?;
    let event = events(&node, setup)?;
    Ok(Sender {
        loaned: None,
        publisher,
        notifier: event.notifier_builder().create()?,
        event,
        _node: node,
    })
}

fn make_receiver(setup: &Setup) -> Outcome<Receiver> {
    let node = join(setup)?;
    let subscriber = frames(&node, setup)?.subscriber_builder().create()?;
    let event = events(&node, setup)?;
    Ok(Receiver {
        subscriber,
        listener: None,
        event,
        _node: node,
    })
}

/// # Safety
/// The texts of `setup` end in zero, `why` has `room` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tpb_iceoryx2_sender(
    setup: &Setup,
    why: *mut c_char,
    room: usize,
) -> *mut Sender {
    match make_sender(setup) {
        Ok(sender) => Box::into_raw(Box::new(sender)),
        Err(reason) => {
            say(why, room, &reason);
            core::ptr::null_mut()
        }
    }
}

/// # Safety
/// `sender` is from tpb_iceoryx2_sender and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tpb_iceoryx2_end_sender(sender: *mut Sender) {
    drop(unsafe { Box::from_raw(sender) });
}

/// Uninitialised memory for `bytes`, which readers will see as it is; null when none can be loaned now.
#[unsafe(no_mangle)]
pub extern "C" fn tpb_iceoryx2_claim(sender: &mut Sender, bytes: usize) -> *mut u8 {
    sender.loaned = None; // a loan that was not published
    match sender.publisher.loan_slice_uninit(bytes) {
        Ok(sample) => {
            // What it held before is shown to readers, as the other contenders do.
            let mut sample = unsafe { sample.assume_init() };
            let memory = sample.payload_mut().as_mut_ptr();
            sender.loaned = Some(sample);
            memory
        }
        Err(_) => core::ptr::null_mut(),
    }
}

/// The number of subscribers that got it; negative: not sent. Rings for those that sleep.
#[unsafe(no_mangle)]
pub extern "C" fn tpb_iceoryx2_publish(sender: &mut Sender, seq: u64, time_ns: i64) -> i32 {
    let Some(mut sample) = sender.loaned.take() else {
        return -1;
    };
    *sample.user_header_mut() = Stamp { seq, time_ns };
    let Ok(count) = sample.send() else {
        return -1;
    };
    if sender.event.dynamic_config().number_of_listeners() != 0 && sender.notifier.notify().is_err()
    {
        return -1;
    }
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// # Safety
/// The texts of `setup` end in zero, `why` has `room` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tpb_iceoryx2_receiver(
    setup: &Setup,
    why: *mut c_char,
    room: usize,
) -> *mut Receiver {
    match make_receiver(setup) {
        Ok(receiver) => Box::into_raw(Box::new(receiver)),
        Err(reason) => {
            say(why, room, &reason);
            core::ptr::null_mut()
        }
    }
}

/// # Safety
/// `receiver` is from tpb_iceoryx2_receiver and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tpb_iceoryx2_end_receiver(receiver: *mut Receiver) {
    drop(unsafe { Box::from_raw(receiver) });
}

/// Up to `limit` samples, oldest first; each is given back when its handler returns.
#[unsafe(no_mangle)]
pub extern "C" fn tpb_iceoryx2_poll(
    receiver: &mut Receiver,
    handler: Handler,
    context: *mut c_void,
    limit: i32,
) -> i32 {
    let mut count = 0;
    while count < limit {
        match receiver.subscriber.receive() {
            Ok(Some(sample)) => {
                let stamp = *sample.user_header();
                let bytes = sample.payload();
                handler(
                    context,
                    stamp.seq,
                    stamp.time_ns,
                    bytes.as_ptr(),
                    bytes.len(),
                );
                count += 1;
            }
            Ok(None) => break,
            Err(_) => return -1,
        }
    }
    count
}

/// Sleeps until the sender rings, at most `timeout_ns`. The first call only makes the listener: until then
/// the sender has nobody to ring for, so look for samples again. Negative: it failed.
#[unsafe(no_mangle)]
pub extern "C" fn tpb_iceoryx2_sleep(receiver: &mut Receiver, timeout_ns: u64) -> i32 {
    let Some(listener) = &receiver.listener else {
        return match receiver.event.listener_builder().create() {
            Ok(listener) => {
                receiver.listener = Some(listener);
                0
            }
            Err(_) => -1,
        };
    };
    match listener.timed_wait(|_| {}, Duration::from_nanos(timeout_ns)) {
        Ok(_) => 0,
        Err(_) => -1,
    }
}
