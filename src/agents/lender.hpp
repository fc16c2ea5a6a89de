// The conductor's half of a Cell: publishes Wirings, takes them back, and knows what is still lent.
#pragma once

#include <memory>
#include <vector>

#include "agents/cell.hpp"

namespace tensorpool::agents {

// One thread: the conductor's. Destroying it gives up what the port still holds, which only happens
// once the port is gone (then nothing is out) or in a forked child.
class Lender {
 public:
  Lender() : cell_(std::make_shared<Cell>()) {}

  const std::shared_ptr<Cell>& cell() const noexcept { return cell_; }

  // Raises the use counts of everything that `wiring` names and posts it. A Wiring that the port
  // never adopted comes back at once. Collects first, so that at most the current Wiring, what
  // claims pin and one in the mailbox are ever out.
  void publish(std::unique_ptr<Wiring> wiring) {
    collect();
    for (std::uint32_t i = 0; i < wiring->lent_count; ++i) ++wiring->lent[i]->uses;
    cell_->state.store(wiring->state, std::memory_order_release);
    ++out_;
    Wiring* unadopted = cell_->publish(wiring.release());
    if (unadopted != nullptr) release(unadopted);
    cell_->kick_sleeper();
  }

  // Takes back what the port has let go of; returns how many.
  int collect() {
    int count = 0;
    for (Wiring* wiring = cell_->take_returns(); wiring != nullptr; ++count) {
      Wiring* next = wiring->next;
      release(wiring);
      wiring = next;
    }
    return count;
  }

  // Once the port is gone: everything comes back.
  void drain() {
    take_mail();
    collect();
  }

  // After the port closed: nobody adopts the mail any more.
  void take_mail() {
    Wiring* wiring = cell_->mail.exchange(nullptr, std::memory_order_acq_rel);
    if (wiring != nullptr) release(wiring);
  }

  // Wirings that are not back.
  std::size_t out() const noexcept { return out_; }

 private:
  void release(Wiring* wiring) {
    for (std::uint32_t i = 0; i < wiring->lent_count; ++i) --wiring->lent[i]->uses;
    --out_;
    delete wiring;
  }

  std::shared_ptr<Cell> cell_;
  std::size_t out_ = 0;
};

// Resources that a Wiring may name, and the ones that wait for their last Wiring to come back.
class Graveyard {
 public:
  void bury(std::unique_ptr<Lent> lent) {
    if (lent == nullptr) return;
    lent->doomed = true;
    buried_.push_back(std::move(lent));
  }
  // Frees what nobody uses, one bounded step of work each; returns the work done.
  int do_work() {
    int work = 0;
    for (std::size_t i = 0; i < buried_.size();) {
      if (buried_[i]->uses != 0 || !buried_[i]->release_step()) {
        work += buried_[i]->uses == 0 ? 1 : 0;
        ++i;
        continue;
      }
      buried_[i] = std::move(buried_.back());
      buried_.pop_back();
      ++work;
    }
    return work;
  }
  bool empty() const noexcept { return buried_.empty(); }

 private:
  std::vector<std::unique_ptr<Lent>> buried_;
};

}  // namespace tensorpool::agents
