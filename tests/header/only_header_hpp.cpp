// The C++ header alone, twice, with its unstable part and with what is only compiled when it is used.
#define STEER_ENABLE_UNSTABLE
#include <steer/steer.hpp>
#include <steer/steer.hpp>

template class steer::Result<int>;

int only_header_hpp(steer::Session& session, steer::Worker& worker, const steer::Adapter& adapter);
int only_header_hpp(steer::Session& session, steer::Worker& worker, const steer::Adapter& adapter) {
    const steer::ScaledAdapter adapters[] = {{.adapter = adapter, .scale = 0.5f}};
    (void)steer::set_adapters(session, adapters);
    (void)steer::observe(session, {}, nullptr, nullptr);
    (void)session.generate([](const steer::Step&) {});
    (void)session.generate([](const steer::Step& step) { return step.token < 0 ? steer::Flow::go_on : steer::Flow::stop; });
    (void)worker.post({{.role = "user", .content = "hi"}});
    (void)worker.post_tokens({.ids = {1, 2, 3}});
    (void)worker.post_tokens({.ids = {4}, .marks = {1}}, -1);
    int tokens = 0;
    for (const steer::Step& step : session.steps()) tokens += step.token >= 0;
    return tokens;
}
