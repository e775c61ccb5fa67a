// Chapter 13, for those who define STEER_ENABLE_UNSTABLE: may change in any release.
#pragma once

#include "session.hpp"

#ifdef STEER_ENABLE_UNSTABLE
namespace steer::inline STEER_HPP_MODE {

class Adapter : public detail::Owner<steer_adapter, steer_adapter_free> {
  public:
    using Owner::Owner;

    static Returned<Adapter> load(const Model& model, std::string_view path) {
        steer_error err{};
        Adapter adapter;
        steer_adapter_load(model.get(), std::string(path).c_str(), adapter.out(), &err);
        return detail::give(err, std::move(adapter));
    }
};

struct ScaledAdapter {
    const Adapter& adapter;
    float scale = 1.0f;
};

inline Returned<void> set_adapters(Session& session, std::span<const ScaledAdapter> adapters) {
    std::vector<const steer_adapter*> handles;
    std::vector<float> scales;
    for (const ScaledAdapter& one : adapters) {
        handles.push_back(one.adapter.get());
        scales.push_back(one.scale);
    }
    steer_error err{};
    steer_session_set_adapters(session.get(), handles.data(), scales.data(), handles.size(), &err);
    return detail::give(err);
}

// fn outlives this call, so it is the C function with a user pointer whose life the host knows. It must not throw.
inline Returned<void> observe(Session& session, std::span<const int32_t> layers, steer_observe_fn fn, void* user) {
    steer_error err{};
    steer_session_observe(session.get(), layers.data(), layers.size(), fn, user, &err);
    return detail::give(err);
}

} // namespace steer::inline STEER_HPP_MODE
#endif
