package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracer follows events from the POST to the commit of their order. A nil one
// does nothing, and costs nothing.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// flushTimeout is how long a process that ends waits for the collector.
const flushTimeout = 2 * time.Second

// NewTracer makes one that sends its spans to an OTLP collector, by HTTP; nil
// for the endpoint "". It never waits for the collector: what it doesn't take
// in time is dropped. How many traces are kept, OTEL_TRACES_SAMPLER says.
func NewTracer(ctx context.Context, endpoint, service string, log *slog.Logger) (*Tracer, error) {
	if endpoint == "" {
		return nil, nil
	}
	at, err := url.JoinPath(endpoint, "v1/traces")
	if err != nil {
		return nil, fmt.Errorf("reading the collector's address: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(at))
	if err != nil {
		return nil, fmt.Errorf("preparing to send traces: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Debug("traces are lost", "error", err) }))
	p := sdk.NewTracerProvider(sdk.WithBatcher(exporter),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "tillhook-"+service))))
	return &Tracer{provider: p, tracer: p.Tracer("tillhook")}, nil
}

// Close sends what there is.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // a collector that is away is no fault of ours
}

// Span is one step. A nil one does nothing.
type Span struct{ span trace.Span }

// parents reads and writes trace contexts as W3C has them.
var parents propagation.TraceContext

// Start begins a step of the trace in ctx, or, with a parent, of the trace that
// this names.
func (t *Tracer) Start(ctx context.Context, name, parent string) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	if parent != "" {
		ctx = parents.Extract(ctx, propagation.MapCarrier{"traceparent": parent})
	}
	ctx, span := t.tracer.Start(ctx, name)
	return ctx, &Span{span}
}

// Parent names the step for another process, "" if there is none.
func (s *Span) Parent() string {
	if s == nil {
		return ""
	}
	carrier := propagation.MapCarrier{}
	parents.Inject(trace.ContextWithSpan(context.Background(), s.span), carrier)
	return carrier["traceparent"]
}

// Set notes a value. None may hold a secret or a part of a body.
func (s *Span) Set(key, value string) {
	if s != nil && value != "" {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// End ends the step; an error makes it one that failed.
func (s *Span) End(err error) {
	if s == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, err.Error())
	}
	s.span.End()
}
