// The gauges of the running reply: what the lines under it show, and what is told when it has ended.
#pragma once

#include <string>
#include <vector>

#include "gauge_line.h"
#include "persona.h"
#include "reply.h"

namespace chat {

class GaugeBoard {
  public:
    explicit GaugeBoard(const Persona* persona); // null: no gauges

    void begin_reply();
    void see(const ReplyToken& token);

    std::vector<GaugeReading> readings() const; // now; the note tells the other reading and the strength
    std::vector<GaugeReading> results() const;  // of the whole reply: the last value, the note tells means
    std::vector<std::string> summary() const;   // the same as plain lines
    std::vector<std::string> table() const;     // for /gauge

    void show_raw(bool on) { raw_ = on; }
    bool shows_raw() const { return raw_; }

  private:
    struct Track {
        GaugeRange range;
        float last, least, most;
        double sum;
        int count;
        void clear();
        void see(float value);
        float mean() const;
    };
    struct Dial {
        std::string label;
        int layer;
        Track own, raw;
    };
    const Track& shown(const Dial& dial) const { return raw_ ? dial.raw : dial.own; }
    std::vector<GaugeReading> lines(bool ended) const;

    std::vector<Dial> dials_;
    float strength_ = 0;
    bool raw_ = true;
};

} // namespace chat
