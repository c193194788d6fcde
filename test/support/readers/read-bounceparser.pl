# Reads reports with Mail::DeliveryStatus::BounceParser: the files of the command line, one JSON line for each.
use strict;
use warnings;
use JSON::PP;
use Mail::DeliveryStatus::BounceParser;

my $json = JSON::PP->new->canonical->latin1;

for my $path (@ARGV) {
  open my $file, '<:raw', $path or die "$path: $!";
  my $bounce = Mail::DeliveryStatus::BounceParser->new($file);
  my @reports = map {
    my $report = $_;
    +{ map { $_ => $report->get($_) } qw(email action status reason smtp_code std_reason) };
  } $bounce->reports;
  print $json->encode({
    is_bounce => $bounce->is_bounce ? JSON::PP::true : JSON::PP::false,
    type => $bounce->{type},
    message_id => $bounce->orig_message_id,
    addresses => [$bounce->addresses],
    reports => \@reports,
  }), "\n";
}
