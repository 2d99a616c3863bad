package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/haldane-dev/haldane/internal/reading"
)

// DefaultPeriod is over how long CloudWatch aggregates.
const DefaultPeriod = time.Minute

// CloudWatchConfig is either one metric or an expression.
type CloudWatchConfig struct {
	Region     string
	Address    string // "" for that of the region
	Namespace  string
	Metric     string
	Dimensions map[string]string
	Statistic  string // Average, Sum, p99, …
	Expression string // metric math or Metrics Insights, instead of the above
	Period     time.Duration
	Window     time.Duration // how old the newest number may be
	// AccessKey and SecretKey are those of a user; without them the identity of this
	// process is used, as the command-line tools of AWS find it.
	AccessKey, SecretKey, SessionToken Secret
	HTTP                               *http.Client
}

type cloudWatch struct{ CloudWatchConfig }

// CloudWatch reads the newest data point of a metric or an expression, by
// GetMetricData.
func CloudWatch(c CloudWatchConfig) (reading.Past, error) {
	c.Period = cmp.Or(c.Period, DefaultPeriod)
	if c.Period < time.Second || c.Period%time.Second != 0 {
		return nil, fmt.Errorf("a period of %s is no whole number of seconds", c.Period)
	}
	return cloudWatch{c}, nil
}

// Read implements reading.Reader.
func (c cloudWatch) Read(ctx context.Context, of reading.Vars, at time.Time) (reading.Value, error) {
	points, err := c.points(ctx, of, at.Add(-c.Window), at)
	if err != nil {
		return reading.Value{}, err
	}
	return reading.Newest(points, at)
}

// Past implements reading.Past.
func (c cloudWatch) Past(ctx context.Context, of reading.Vars, s reading.Span) ([]reading.Value, error) {
	points, err := c.points(ctx, of, s.Start.Add(-s.Step), s.End)
	return reading.Resample(points, s), err
}

// points are those of a stretch of time, each at the beginning of its period as
// CloudWatch dates them. A period counts when it has ended.
func (c cloudWatch) points(ctx context.Context, of reading.Vars, from, to time.Time) ([]reading.Value, error) {
	client, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	query, err := c.query(of)
	if err != nil {
		return nil, err
	}
	ask := &cloudwatch.GetMetricDataInput{
		MetricDataQueries: []types.MetricDataQuery{query}, ScanBy: types.ScanByTimestampAscending,
		StartTime: aws.Time(from.Truncate(c.Period)), EndTime: aws.Time(to.Truncate(c.Period)),
	}
	var out []reading.Value
	for {
		answer, err := client.GetMetricData(ctx, ask)
		if err != nil {
			return nil, fmt.Errorf("ask CloudWatch: %w", err)
		}
		if len(answer.MetricDataResults) > 1 {
			return nil, errMany("CloudWatch", len(answer.MetricDataResults))
		}
		for _, r := range answer.MetricDataResults {
			if r.StatusCode == types.StatusCodeInternalError || r.StatusCode == types.StatusCodeForbidden {
				return nil, fmt.Errorf("CloudWatch answers %s", r.StatusCode)
			}
			if len(r.Timestamps) != len(r.Values) {
				return nil, errors.New("CloudWatch answers with times and values that do not match")
			}
			for i, at := range r.Timestamps {
				out = append(out, reading.Value{At: at.Add(c.Period), Number: r.Values[i]})
			}
		}
		if ask.NextToken = answer.NextToken; aws.ToString(ask.NextToken) == "" {
			sorted(out)
			return out, nil
		}
	}
}

// query is what is asked of one arm.
func (c cloudWatch) query(of reading.Vars) (types.MetricDataQuery, error) {
	q := types.MetricDataQuery{Id: aws.String("haldane"), ReturnData: aws.Bool(true)}
	period := aws.Int32(int32(c.Period / time.Second))
	if c.Expression != "" {
		text, err := reading.Fill(c.Expression, of, nil)
		q.Expression, q.Period = aws.String(text), period
		return q, err
	}
	metric := &types.Metric{Namespace: aws.String(c.Namespace), MetricName: aws.String(c.Metric)}
	for _, name := range slices.Sorted(maps.Keys(c.Dimensions)) {
		value, err := reading.Fill(c.Dimensions[name], of, nil)
		if err != nil {
			return q, err
		}
		metric.Dimensions = append(metric.Dimensions, types.Dimension{Name: aws.String(name), Value: aws.String(value)})
	}
	q.MetricStat = &types.MetricStat{Metric: metric, Period: period, Stat: aws.String(cmp.Or(c.Statistic, "Average"))}
	return q, nil
}

// client is one with the identity to ask with.
func (c cloudWatch) client(ctx context.Context) (*cloudwatch.Client, error) {
	o := cloudwatch.Options{Region: c.Region, HTTPClient: c.HTTP, RetryMaxAttempts: 1}
	if c.Address != "" {
		o.BaseEndpoint = aws.String(c.Address)
	}
	if c.AccessKey == nil {
		found, err := config.LoadDefaultConfig(ctx, config.WithRegion(c.Region))
		if err != nil {
			return nil, fmt.Errorf("find who asks CloudWatch: %w", err)
		}
		o.Credentials = found.Credentials
		return cloudwatch.New(o), nil
	}
	key, err := c.AccessKey.text(ctx)
	if err != nil {
		return nil, err
	}
	secret, err := c.SecretKey.text(ctx)
	if err != nil {
		return nil, err
	}
	token, err := c.SessionToken.text(ctx)
	if err != nil {
		return nil, err
	}
	o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret, SessionToken: token, Source: "haldane"}, nil
	})
	return cloudwatch.New(o), nil
}
