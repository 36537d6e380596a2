//go:build !race

package app_test

// arrivingOrders is how many orders' events come in at the same time.
const arrivingOrders = 5000
