// steer.hpp - the C interface as C++20: owners, spans, ranges, and a worker for frame loops. Headers only; what a function
// means is written in steer.h, whose chapters these files follow.
//
//   steer::Model model = steer::Model::load("models/Qwen2.5-7B-Instruct", {.device = "cuda:0"});
//   steer::Session session = steer::Session::create(model);
//   const std::vector<steer::Message> talk{{.role = "user", .content = "hello"}};
//   session.set_tokens(0, model.encode_chat(talk, {.open_reply = true}));
//   for (const steer::Step& step : session.steps()) std::cout << step.text();
//
// Failures   Where exceptions are on, a call that fails throws steer::Exception (status, words). Where they are off
//            (-fno-exceptions), or STEER_HPP_RESULTS is defined before this header, the same functions return
//            steer::Result<T>, used like std::expected; ignoring one is a warning. Signatures below say Returned<T> for both.
//            Files of both kinds may be linked into one program.
// Options    are structs for designated initialisers; what is left out is as the init functions of steer.h make it.
// Callbacks  may throw: the exception is held while the C call ends, then goes on to the caller.
// Threads    as in steer.h. Objects here are owners and nothing else: a Session may be used from several threads as far as
//            the C functions may, but move, reset and destroy it on one.
#pragma once

#include <steer/steer.h>

#include "hpp/controls.hpp"
#include "hpp/enums.hpp"
#include "hpp/error.hpp"
#include "hpp/generation.hpp"
#include "hpp/model.hpp"
#include "hpp/owner.hpp"
#include "hpp/process.hpp"
#include "hpp/session.hpp"
#include "hpp/unstable.hpp"
#include "hpp/vector.hpp"
#include "hpp/worker.hpp"
