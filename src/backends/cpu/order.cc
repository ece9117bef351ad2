#include "src/backends/cpu/order.h"

namespace flashtile::inline v0_2 {
namespace backend {

void Order::begin() { done_.store(1, std::memory_order_release); }
void Order::enter() { done_.load(std::memory_order_acquire); }
void Order::leave() { done_.fetch_add(1, std::memory_order_release); }
void Order::end() { done_.load(std::memory_order_acquire); }

}  // namespace backend
}  // namespace flashtile::inline v0_2
