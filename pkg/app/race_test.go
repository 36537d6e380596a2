//go:build race

package app_test

// The race detector makes the product in this process some five times slower:
// 5,000 orders took over two minutes beside the other tests.
const arrivingOrders = 1500
